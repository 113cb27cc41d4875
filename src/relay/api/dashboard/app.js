/* SPDX-License-Identifier: MIT */
/* The dashboard. What comes from the API is only ever text: no markup is made of it. */
"use strict";

const PAGE = 50, HOUR_MS = 3600000;
const at = id => document.getElementById(id);
const me = {role: "read", name: null};
const roles = ["read", "operate", "admin"];
let before = null;            /* the relays' counters of the last look, for what flows now */
let pages = [""], search = "", asking = 0, changes = null;
let opened = null;            /* the device that is shown: {name, seen, drawn_ms, access} */

/* ---- the API ---- */

/* The second value of the login: in this tab alone, where no other page and no other port comes by it. */
const csrf = {
	get: () => sessionStorage.getItem("csrf"),
	set: text => text === null ? sessionStorage.removeItem("csrf") : sessionStorage.setItem("csrf", text)};

class Failure extends Error {
	constructor(status, body) {
		super(body.what || `the relay answers with ${status}`);
		this.status = status;
		this.error = body.error;
		this.hint = body.hint || "";
	}
}

async function api(method, path, body, headers = {}) {
	if (csrf.get() !== null)
		headers["X-Taupe-CSRF"] = csrf.get();
	if (body !== undefined)
		headers["Content-Type"] = "application/json";
	const answer = await fetch("api/v1/" + path, {
		method, headers, credentials: "same-origin", cache: "no-store",
		body: body === undefined ? undefined : JSON.stringify(body)});
	const text = await answer.text();
	let json = {};
	try {
		json = text === "" ? {} : JSON.parse(text);
	} catch (error) {
		json = {};
	}
	if (!answer.ok)
		throw new Failure(answer.status, json);
	return json;
}

/* Above all, and in the device's dialog, which covers that. */
const problems = [at("problem"), at("device-problem")];
let told = null;              /* what was told last: "act" or "look"; a look that is well ends the latter */

const well = () => {
	told = null;
	problems.forEach(place => { place.hidden = true; });
};

const isLoginNeeded = error => error instanceof Failure && (error.status === 401 || error.error === "csrf");

function complain(error, of = "act") {
	if (isLoginNeeded(error)) {
		loggedOut();
		openLogin();
		return;
	}
	told = of;
	for (const place of problems) {
		place.textContent = error instanceof Failure
			? `${error.message}. ${error.hint}` : "The relay does not answer.";
		place.hidden = false;
	}
}

const complainOfLook = error => complain(error, "look");

/* ---- words for numbers ---- */

function bytes(number) {
	const units = ["B", "kB", "MB", "GB", "TB", "PB"];
	let unit = 0;
	while (number >= 1000 && unit < units.length - 1) {
		number /= 1000;
		unit++;
	}
	return `${unit && number < 100 ? number.toFixed(1) : Math.round(number)} ${units[unit]}`;
}

function span(ms) {
	const s = Math.max(0, Math.floor(ms / 1000)), m = Math.floor(s / 60), h = Math.floor(m / 60),
		d = Math.floor(h / 24);
	if (d)
		return `${d} d ${h % 24} h`;
	if (h)
		return `${h} h ${m % 60} min`;
	return m ? `${m} min ${s % 60} s` : `${s} s`;
}

const ago = ms => ms ? span(Date.now() - ms) : "";
const count = number => number.toLocaleString("en");

/* ---- elements ---- */

function make(tag, className, text) {
	const element = document.createElement(tag);
	if (className)
		element.className = className;
	if (text !== undefined && text !== null)
		element.textContent = text;
	return element;
}

function cell(row, label, className, text) {
	const element = make("td", className, text);
	element.dataset.label = label;
	row.append(element);
	return element;
}

function button(text, pressed) {
	const element = make("button", "", text);
	element.type = "button";
	element.addEventListener("click", pressed);
	return element;
}

/* Another tab's login is good for looking. */
const may = role => roles.indexOf(me.role) >= roles.indexOf(role) && me.name !== null && csrf.get() !== null;

/* ---- charts ---- */

/* points: [at_ms, bytes in, bytes out], sums that grow; a sum that shrinks is a new start. */
function draw(svg, points, from, to) {
	const [, , width, height] = svg.getAttribute("viewBox").split(" ").map(Number);
	const rates = [];
	for (let i = 1; i < points.length; i++) {
		const s = (points[i][0] - points[i - 1][0]) / 1000;
		if (s > 0)
			rates.push([points[i][0], Math.max(0, points[i][1] - points[i - 1][1]) / s,
				Math.max(0, points[i][2] - points[i - 1][2]) / s]);
	}
	const peak = Math.max(1, ...rates.map(rate => Math.max(rate[1], rate[2])));
	const path = index => rates.map((rate, i) => (i ? "L" : "M") +
		((rate[0] - from) / (to - from) * width).toFixed(1) + " " +
		(height - 2 - rate[index] / peak * (height - 6)).toFixed(1)).join("");
	const shape = (name, className, d) => {
		const element = document.createElementNS("http://www.w3.org/2000/svg", name);
		element.setAttribute("class", className);
		element.setAttribute("d", d);
		return element;
	};
	svg.replaceChildren(
		shape("path", "grid", `M0 ${height - 1}H${width}M0 ${height / 2}H${width}`),
		shape("path", "in", path(1)), shape("path", "out", path(2)));
	return rates.length ? {peak, now: rates[rates.length - 1]} : null;
}

let drawn_ms = 0;

async function drawHour() {
	if (Date.now() - drawn_ms < 10000)
		return;
	drawn_ms = Date.now();
	const {points} = await api("GET", "relay/samples");
	const to = points[points.length - 1][0];
	const from = Math.max(to - HOUR_MS, Math.min(points[0][0], to - 600000));
	const drawn = draw(at("hour"), points.map(point => [point[0], point[3], point[4]]), from, to);
	at("hour-peak").textContent = `from ${new Date(from).toLocaleTimeString([], {timeStyle: "short"})} on` +
		(drawn && drawn.peak > 1 ? `, up to ${bytes(drawn.peak)}/s` : ", none yet");
}

/* ---- the cluster ---- */

function flow(relay) {
	const old = before && before.get(relay.id);
	const s = old ? (Date.now() - old.at) / 1000 : 0;
	if (s < 0.5 || relay.bytes_in < old.bytes_in || relay.bytes_out < old.bytes_out)
		return old && old.flow || [0, 0];
	return [(relay.bytes_in - old.bytes_in) / s, (relay.bytes_out - old.bytes_out) / s];
}

function relayRow(relay, self) {
	const row = make("tr"), load = make("meter");
	cell(row, "Relay", "name", relay.id + (relay.id === self ? " (this one)" : ""));
	cell(row, "State", `state ${relay.draining ? "draining" : "serving"}`,
		relay.draining ? "draining" : "serving");
	load.max = relay.capacity || 1;
	load.value = relay.agents;
	load.high = load.max * 0.9;
	load.setAttribute("aria-label", "Load");
	cell(row, "Load", "", "").append(load, `${count(relay.agents)} of ${count(relay.capacity)}`);
	cell(row, "Visitors", "number", count(relay.visitors));
	cell(row, "Memory", "number", relay.memory_bytes ? bytes(relay.memory_bytes) : "–");
	cell(row, "Traffic", "number", `${bytes(relay.flow[0] + relay.flow[1])}/s`);
	cell(row, "Up for", "soft", ago(relay.since_ms));
	const action = cell(row, "", "action", "");
	if (may("operate"))
		action.append(button(relay.draining ? "Serve" : "Drain",
			() => drain(relay.id, !relay.draining)));
	return row;
}

function goneRow(relay) {
	const row = make("tr");
	cell(row, "Relay", "name", relay.id);
	cell(row, "State", "state gone", `gone, ${ago(relay.at_ms)} ago`);
	for (const label of ["Load", "Visitors", "Memory", "Traffic", "Up for", ""])
		cell(row, label, label === "" ? "action" : "");
	return row;
}

async function showCluster() {
	const cluster = await api("GET", "cluster"), now = new Map();
	for (const relay of cluster.relays) {
		relay.flow = flow(relay);
		now.set(relay.id, {...relay, at: Date.now()});
	}
	before = now;
	const sum = pick => cluster.relays.reduce((total, relay) => total + pick(relay), 0);
	at("sum-relays").textContent = cluster.gone.length
		? `${cluster.relays.length} (${cluster.gone.length} gone)` : cluster.relays.length;
	at("sum-devices").textContent = count(cluster.devices);
	at("sum-agents").textContent = count(sum(relay => relay.agents));
	at("sum-visitors").textContent = count(sum(relay => relay.visitors));
	at("sum-in").textContent = `${bytes(sum(relay => relay.flow[0]))}/s`;
	at("sum-out").textContent = `${bytes(sum(relay => relay.flow[1]))}/s`;
	const body = at("relays").tBodies[0], focused = body.contains(document.activeElement)
		? document.activeElement.closest("tr").cells[0].textContent : null;
	body.replaceChildren(...cluster.relays.map(relay => relayRow(relay, cluster.self)),
		...cluster.gone.map(goneRow));
	for (const row of body.rows)
		if (focused !== null && row.cells[0].textContent === focused)
			row.querySelector("button")?.focus();
	document.body.dataset.registry = cluster.registry;
}

/* ---- devices ---- */

const stateOf = device => device.online ? "online" : device.lease ? "leased" : "offline";

function deviceRow(device) {
	const row = make("tr"), session = device.session || {}, lease = device.lease || {};
	row.tabIndex = -1;
	row.dataset.name = device.name;
	cell(row, "Device", "name", device.name);
	cell(row, "State", `state ${stateOf(device)}`, stateOf(device));
	cell(row, "Label", "", lease.label || device.label || "");
	cell(row, "Relay", "soft", session.relay || "");
	cell(row, "From", "from soft", session.from || "");
	cell(row, "Since", "soft", ago(session.since_ms));
	return row;
}

async function showDevices() {
	const mine = ++asking, after = pages[pages.length - 1];
	const query = new URLSearchParams({limit: PAGE});
	if (after)
		query.set("after", after);
	if (search)
		query.set("search", search);
	const page = await api("GET", `devices?${query}`);
	if (mine !== asking)
		return;                     /* something else was asked for meanwhile */
	const body = at("list").tBodies[0], focused = document.activeElement.dataset?.name;
	body.replaceChildren(...page.devices.map(deviceRow));
	const rows = [...body.rows];
	if (rows.length)
		rows[0].tabIndex = 0;
	if (focused !== undefined)
		rows.find(row => row.dataset.name === focused)?.focus();
	at("list").hidden = rows.length === 0;
	at("none").hidden = rows.length > 0;
	at("none").textContent = search ? `No device's name or label has "${search}" in it.`
		: "There are no devices yet: taupectl device add NAME makes one.";
	at("more").disabled = page.next === null;
	at("more").dataset.after = page.next || "";
	at("back").disabled = pages.length === 1;
	at("shown").textContent = rows.length
		? `${rows.length} from ${rows[0].dataset.name} on` : "";
	document.body.dataset.shown = search;
}

function fact(list, name, value) {
	if (value === undefined || value === null || value === "" || value === false)
		return;
	list.append(make("dt", "", name), make("dd", "", value));
}

function link(url) {
	const item = make("li");
	if (/^https?:\/\//.test(url)) {
		const anchor = make("a", "", url);
		anchor.href = url;
		anchor.rel = "noreferrer noopener";
		anchor.target = "_blank";
		item.append(anchor);
	} else {
		item.append(make("code", "", url));
	}
	return item;
}

function lastRow(last) {
	const row = make("tr");
	cell(row, "", "soft", `${ago(Number(last.at_ms))} ago`);
	cell(row, "", "", last.reason + (last.detail ? `: ${last.detail}` : ""));
	cell(row, "", "soft", last.seconds ? `after ${span(last.seconds * 1000)}` : "");
	cell(row, "", "soft", last.from || "");
	return row;
}

async function showDevice() {
	const shown = opened;
	if (shown === null)
		return;
	const device = await api("GET", `devices/${encodeURIComponent(shown.name)}`);
	if (shown !== opened)
		return;
	const session = device.session || {}, lease = device.lease || {}, facts = at("device-facts");
	at("device-name").textContent = device.name;
	at("device-state").className = `state ${stateOf(device)}`;
	at("device-state").textContent = stateOf(device);
	facts.replaceChildren();
	fact(facts, "Label", lease.label || device.label);
	fact(facts, "Relay", session.relay);
	fact(facts, "From", session.from);
	fact(facts, "Since", session.since_ms && `${new Date(session.since_ms).toLocaleString()} (${ago(session.since_ms)})`);
	fact(facts, "Down", session.down && session.down.join(", "));
	fact(facts, "Lease ends", !device.online && lease.remaining_ms && `in ${span(lease.remaining_ms)}`);
	fact(facts, "Ports", Object.entries(lease.ports || device.ports).map(pair => pair.join(":")).join(", "));
	fact(facts, "Limits", Object.entries(device.limits).map(pair => pair.join(" ")).join(", "));
	fact(facts, "Fleet", device.fleet);
	fact(facts, "Secret", device.rotation && (device.rotation === "asked" ? "its agent is asked for another one" : device.rotation));
	fact(facts, "Visits", device.counters && count(device.counters.visitors || 0));
	const unproved = (device.hosts || []).filter(({proof}) => proof === "pending");
	at("device-urls").replaceChildren(...device.urls.map(link),
		...unproved.map(({host}) => make("li", "soft", `${host}, not proved yet`)));
	if (device.urls.length === 0)
		at("device-urls").append(make("li", "soft", "none while it has no lease"));
	showAccess(device);
	showTraffic(shown, device.counters);
	at("device-last").tBodies[0].replaceChildren(...(device.last || []).map(lastRow));
	if (!(device.last || []).length)
		at("device-last").tBodies[0].append(noRow("none is known"));
	at("kick").disabled = !may("operate") || !device.online;
	at("rotate").disabled = !may("operate");
	at("kick").title = at("rotate").title = may("operate") ? "" : "Log in with a token of the role operate";
}

/* What flows now is what was counted since the last look. */
function showTraffic(shown, counters) {
	const words = [];
	if (counters) {
		const seen = {at: Date.now(), bytes: (counters.bytes_in || 0) + (counters.bytes_out || 0)};
		if (shown.seen && seen.at > shown.seen.at)
			words.push(`now ${bytes(Math.max(0, seen.bytes - shown.seen.bytes) * 1000 / (seen.at - shown.seen.at))}/s`);
		words.push(`${bytes(seen.bytes)} in all`);
		shown.seen = seen;
	}
	at("device-traffic").textContent = words.join(", ");
}

/* Its minutes become sums that grow. The last one is not over yet: when it has only begun, it goes with
 * the one before, as what was counted over a second would look like ten times as much. */
async function drawDevice() {
	const shown = opened;
	if (shown === null || Date.now() - shown.drawn_ms < 10000)
		return;
	shown.drawn_ms = Date.now();
	const {every_ms, now_ms, points} = await api("GET", `devices/${encodeURIComponent(shown.name)}/traffic`);
	if (shown !== opened)
		return;
	const sums = [[points[0][0], 0, 0]];
	for (const [begin_ms, to, from] of points) {
		const last = sums[sums.length - 1], end_ms = Math.min(begin_ms + every_ms, now_ms);
		if (end_ms - begin_ms < 10000)
			sums.pop();
		sums.push([end_ms, last[1] + to, last[2] + from]);
	}
	const drawn = draw(at("device-chart"), sums, sums[0][0], now_ms), whole = sums[sums.length - 1];
	at("device-chart").dataset.bytes = whole[1] + whole[2];
	at("device-hour").textContent = whole[1] + whole[2] ? `${bytes(whole[1])} to it and ${bytes(whole[2])} from it, up to ${bytes(drawn.peak)}/s` : "none";
}

/* ---- who may visit ---- */

const modes = {password: rule => `with a password, as ${rule.user}`,
	allow: rule => `from ${rule.nets.join(", ")}`, private: () => "by a share link alone"};

function ruleRow([service, rule]) {
	const row = make("tr");
	cell(row, "", "name", service);
	cell(row, "", "", modes[rule.mode](rule));
	const action = cell(row, "", "action", "");
	if (may("operate"))
		action.append(button("Share", () => openShare(service)));
	return row;
}

const shareEnd = share => share.revoked ? "revoked" : share.expires_ms <= Date.now() ? "over"
	: `until ${new Date(share.expires_ms).toLocaleString([], {dateStyle: "medium", timeStyle: "short"})}`;

function shareRow(share) {
	const row = make("tr"), end = shareEnd(share);
	cell(row, "", "name", share.service);
	cell(row, "", end.startsWith("until") ? "" : "soft", end);
	cell(row, "", "soft", [share.note, share.by && `by ${share.by}`].filter(Boolean).join(", "));
	const action = cell(row, "", "action", "");
	if (may("operate") && end.startsWith("until"))
		action.append(button("Revoke", () => revoke(share)));
	return row;
}

function noRow(text) {
	const row = make("tr");
	cell(row, "", "soft", text).colSpan = 4;
	return row;
}

/* They stay as they are until something is new: somebody may be about to press one of their buttons. */
function showAccess(device) {
	const text = JSON.stringify([device.access, device.shares.map(share => [share.id, shareEnd(share)]), me.role, me.name]);
	if (text === opened.access)
		return;
	opened.access = text;
	const rules = Object.entries(device.access).map(ruleRow), shares = device.shares.map(shareRow);
	at("device-rules").tBodies[0].replaceChildren(...rules,
		noRow(rules.length ? "anybody, to its other services" : "anybody, to all its services"));
	at("device-shares").tBodies[0].replaceChildren(...(shares.length ? shares : [noRow("none")]));
}

function openShare(service) {
	at("share-what").textContent = `Share ${service} of ${opened.name}?`;
	at("share").dataset.service = service;
	at("share-form").reset();
	at("share-wrong").textContent = "";
	at("share-form").hidden = false;
	at("share-made").hidden = true;
	at("share").showModal();
	at("share-for").focus();
}

async function share(event) {
	event.preventDefault();
	const body = {for_ms: Number(at("share-for").value), note: at("share-note").value.trim()};
	if (at("share-url").value !== "")
		body.url = at("share-url").value.trim();
	at("share-make").disabled = true;
	try {
		const made = await api("POST", `devices/${encodeURIComponent(opened.name)}/services/${encodeURIComponent(at("share").dataset.service)}/shares`, body);
		at("share-link").value = made.url;
		at("share-until").textContent = `It is good ${shareEnd(made)}.`;
		at("share-form").hidden = true;
		at("share-made").hidden = false;
		at("share-copy").textContent = "Copy";
		at("share-copy").focus();
	} catch (error) {
		at("share-wrong").textContent = error instanceof Failure ? `${error.message}.` : "The relay does not answer.";
	}
	at("share-make").disabled = false;
	lookAgain();
}

async function copy() {
	at("share-link").select();
	try {
		await navigator.clipboard.writeText(at("share-link").value);
		at("share-copy").textContent = "Copied";
	} catch (error) {
		at("share-copy").textContent = "Press Ctrl+C";   /* the browser does not let us */
		at("share-link").focus();
	}
}

function openDevice(name) {
	opened = {name, seen: null, drawn_ms: 0, access: ""};
	at("device-chart").replaceChildren();
	at("device-hour").textContent = at("device-traffic").textContent = "";
	at("device-name").textContent = name;
	well();
	if (!at("device").open)
		at("device").showModal();
	showDevice().catch(error => { at("device").close(); complain(error); });
	drawDevice().catch(complainOfLook);
}

/* ---- actions ---- */

let decide = null;            /* who waits for the confirmation that is asked for */

function confirmed(what, why, yes) {
	at("confirm-what").textContent = what;
	at("confirm-why").textContent = why;
	at("confirm-yes").textContent = yes;
	at("confirm").showModal();
	at("confirm-no").focus();
	return new Promise(resolve => { decide = resolve; });
}

/* At once: the dialog's own event comes later, when another question may have been asked. */
function decided(yes) {
	at("confirm").close();
	decide(yes);
}

async function act(what, why, yes, path, method = "POST") {
	if (!await confirmed(what, why, yes))
		return;
	try {
		await api(method, path);
		well();
	} catch (error) {
		complain(error);
	}
	lookAgain();
}

const revoke = share => act(`Revoke the link to ${share.service} of ${opened.name}?`,
	`${share.note ? `${share.note}: it` : "It"} opens nothing any more, and visits by it end.`, "Revoke it",
	`devices/${encodeURIComponent(opened.name)}/shares/${share.id}`, "DELETE");

const drain = (id, wanted) => wanted
	? act(`Drain ${id}?`, "It takes no more agents, and asks its own to move. Visits go on.", "Drain",
		`relays/${id}/drain`)
	: act(`Let ${id} serve again?`, "Agents may come to it again.", "Serve", `relays/${id}/undrain`);

const kick = () => act(`End the session of ${opened.name}?`,
	"Visits that are under way break. Its agent may come again at once.", "End it",
	`devices/${encodeURIComponent(opened.name)}/kick`);

const rotate = () => act(`Have ${opened.name} draw another secret?`,
	"Its agent does so by itself, now or when it is connected again. Nothing is interrupted.", "Ask it",
	`devices/${encodeURIComponent(opened.name)}/rotate`);

/* ---- who we are ---- */

function openLogin() {
	if (at("login").open)
		return;
	at("login-wrong").textContent = "";
	at("login").showModal();
	at("token").focus();
}

/* A login ends with its time, its token and the relay's process. */
function loggedOut() {
	csrf.set(null);
	me.name = null;
	at("who").textContent = "Not logged in";
	at("pulse").dataset.state = "lost";
	at("pulse").textContent = "not logged in";
	at("login-open").hidden = false;
	at("logout").hidden = true;
}

async function whoami() {
	const found = await api("GET", "whoami");
	Object.assign(me, found);
	if (me.name === null)
		csrf.set(null);
	at("who").textContent = me.name === null ? "Reading without a token"
		: csrf.get() === null ? `${me.name}, reading in this tab` : `${me.name}, ${me.role}`;
	at("login-open").hidden = csrf.get() !== null;
	at("logout").hidden = csrf.get() === null;
}

async function login(event) {
	event.preventDefault();
	try {
		const made = await api("POST", "login", undefined, {Authorization: `Bearer ${at("token").value.trim()}`});
		csrf.set(made.csrf);
		at("login").close();
		well();
		begin();
	} catch (error) {
		at("login-wrong").textContent = error.status === 401 ? "This token is not good." : error.message;
	}
	at("token").value = "";
}

async function logout() {
	try {
		await api("POST", "logout");
	} catch (error) {
		complain(error);
	}
	csrf.set(null);
	begin();
}

/* ---- live ---- */

let stream = null;

let looking = null, listed = true;  /* the look that is under way; is the list as it is now? */

async function lookOnce() {
	const parts = [showCluster(), showDevice(), drawHour(), drawDevice()];
	if (!listed) {
		listed = true;
		parts.push(showDevices());
	}
	const failed = (await Promise.allSettled(parts)).filter(part => part.status === "rejected");
	failed.forEach(part => complainOfLook(part.reason));
	if (failed.length === 0 && told === "look")
		well();
	looking = null;
}

/* One at a time: what a slow registry has not answered yet is not asked for again. */
function look() {
	looking ??= lookOnce();
	return looking;
}

/* What is under way may have begun before something was changed. */
async function lookAgain() {
	await looking;
	look();
}

function tick(event) {
	const now = JSON.parse(event.data);
	at("pulse").dataset.state = "live";
	at("pulse").textContent = "live";
	if (document.hidden)
		return;
	if (changes !== null && changes !== now.changes)
		listed = false;
	changes = now.changes;
	look();
}

function listen() {
	stream?.close();
	stream = new EventSource("api/v1/live");
	stream.addEventListener("message", tick);
	stream.addEventListener("open", well);
	stream.addEventListener("error", () => {
		at("pulse").dataset.state = "lost";
		at("pulse").textContent = "connection lost, trying again";
		if (stream.readyState === EventSource.CLOSED)
			setTimeout(comeBack, 3000);
	});
}

/* The browser gives up where the answer is no stream: perhaps we have to log in again, which begins
 * anew. */
async function comeBack() {
	try {
		await whoami();
		listen();
	} catch (error) {
		if (isLoginNeeded(error))
			complain(error);
		else
			setTimeout(comeBack, 3000);
	}
}

async function begin() {
	try {
		await whoami();
	} catch (error) {
		complain(error);
		return;
	}
	listen();
	Promise.all([showDevices(), showCluster(), drawHour()])
		.then(() => { document.body.dataset.ready = "yes"; }).catch(complainOfLook);
}

/* ---- keys and clicks ---- */

let typed = 0;

function searched() {
	clearTimeout(typed);
	typed = setTimeout(() => {
		search = at("search").value.trim();
		pages = [""];
		showDevices().catch(complainOfLook);
	}, 60);
}

function turn(forward) {
	if (forward)
		pages.push(at("more").dataset.after);
	else
		pages.pop();
	showDevices().catch(complainOfLook);
}

function moveTo(row) {
	for (const other of at("list").tBodies[0].rows)
		other.tabIndex = other === row ? 0 : -1;
	row.focus();
}

function listKey(event) {
	const row = event.target.closest("tr");
	const next = {ArrowDown: row.nextElementSibling, ArrowUp: row.previousElementSibling,
		Home: row.parentElement.firstElementChild, End: row.parentElement.lastElementChild}[event.key];
	if (event.key === "Enter" || event.key === " ")
		openDevice(row.dataset.name);
	else if (next)
		moveTo(next);
	else
		return;
	event.preventDefault();
}

function key(event) {
	if (event.target.closest("dialog") || event.ctrlKey || event.metaKey || event.altKey)
		return;
	if (event.key === "/" && event.target !== at("search")) {
		at("search").focus();
		at("search").select();
		event.preventDefault();
	} else if (event.target === at("search") && event.key === "Escape") {
		at("search").value = "";
		searched();
	} else if (event.target === at("search") && (event.key === "ArrowDown" || event.key === "Enter")) {
		const row = at("list").tBodies[0].rows[0];
		if (row)
			moveTo(row);
		event.preventDefault();
	}
}

document.addEventListener("keydown", key);
at("search").addEventListener("input", searched);
at("list").tBodies[0].addEventListener("keydown", listKey);
at("list").tBodies[0].addEventListener("click", event => openDevice(event.target.closest("tr").dataset.name));
at("more").addEventListener("click", () => turn(true));
at("back").addEventListener("click", () => turn(false));
at("kick").addEventListener("click", kick);
at("rotate").addEventListener("click", rotate);
at("device").addEventListener("close", () => { opened = null; });
at("share-form").addEventListener("submit", share);
at("share-copy").addEventListener("click", copy);
at("share").addEventListener("close", () => { at("share-link").value = ""; });
at("login-open").addEventListener("click", openLogin);
at("login-form").addEventListener("submit", login);
at("logout").addEventListener("click", logout);
at("confirm-yes").addEventListener("click", () => decided(true));
at("confirm-no").addEventListener("click", () => decided(false));
at("confirm").addEventListener("cancel", () => decided(false));
for (const close of document.querySelectorAll(".close"))
	close.addEventListener("click", () => close.closest("dialog").close());
begin();
