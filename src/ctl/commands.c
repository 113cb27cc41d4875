/* SPDX-License-Identifier: MIT */
/* One row per command; --help, the man page and the command line itself come from here. */
#include "ctl/ctl.h"

const struct ctl_command ctl_commands[] = {
    {{"device", "add", "NAME",
	 "Add a device, and print its secret: once, because only a hash of it "
	 "is stored. Nothing else goes to standard output, so that it can be "
	 "sent straight into the file that the agent's secret_file names. With "
	 "--qr it is a line that is typed on the device and a QR code of the "
	 "same, which hold relay, name and secret: taupe-agent-setup(8)."},
	command_device_add},
    {{"device", "ls", NULL, "List the devices."}, command_device_list},
    {{"device", "show", "NAME",
	 "Show what is stored of a device, and its session. Of an agent that "
	 "pays for each byte, or has chosen its interval, \"heartbeat\" is how "
	 "often it speaks while nobody visits, \"idle\" what that costs in 30 "
	 "days: the interval, times what one heartbeat has cost lately, which "
	 "the agent takes from the count that its TCP keeps, with the headers "
	 "of TCP, IP and Ethernet; and \"budget\" its data_budget. With --json "
	 "they are heartbeat_ms, beat_bytes, idle_bytes_month and budget_bytes "
	 "of the session. They come some seconds after the session. \"last hour\" "
	 "is what went through it; with --json it is traffic, minute by minute."},
	command_device_show},
    {{"device", "set", "NAME",
	 "Give the device limits of its own (--max-visitors, --visitor-rate, "
	 "--visitor-burst, --device-rate) and quotas (--quota-day and so on), "
	 "and say who may visit its services (--access). Limits with default "
	 "as a value are taken away. They hold in place of the relays' options of "
	 "the same names, from within a second on, and the device's session "
	 "goes on. With --quota-day and --quota-month, say how many bytes its "
	 "visits may move, and with --quota-action and --quota-rate what "
	 "happens then; device show and usage tell what is used. With --access, say who may visit a service: anybody "
	 "(public); who knows a password (HTTP Basic), which is printed, once, "
	 "unless --password-file has it; who comes from one of up to 16 "
	 "networks (allow:); or nobody (private). A share link opens each of "
	 "them. tcp and tls services have no passwords: for these, password and "
	 "private are who has a share link, with taupectl connect. Visits that run go on."},
	command_device_set},
    {{"device", "rotate", "NAME",
	 "Have the device's agent draw itself another secret, now or when it "
	 "is connected again. Nothing is interrupted, and nothing has to be "
	 "carried to the device: the old secret ends when the registry has the "
	 "hash of the new one, which the agent has stored by then. What device "
	 "show tells is \"asked\" until that is done, or why it cannot be: a "
	 "device that logs in by its certificate alone has no secret to "
	 "replace. With --now the device gets a new secret at once, which is "
	 "printed as device add does. The old one ends then, on every relay, "
	 "and with it the device's session and its visits; label and ports "
	 "stay reserved. That is for a secret that somebody else may know, and "
	 "for a device whose secret was lost; and to keep a device of a fleet "
	 "out: its name stays taken until device rm, and its fleet's key does "
	 "not let it in under that name. The agent needs the new one in its "
	 "secret_file and a SIGHUP or a restart."},
	command_device_rotate},
    {{"device", "rm", "NAME",
	 "Remove a device, with all that is reserved for it. Its session ends "
	 "at once, and its label rests. A device of a fleet enters again as a "
	 "new one while the fleet's key is good; see device rotate --now and "
	 "fleet rm."},
	command_device_remove},
    {{"device", "kick", "NAME",
	 "End the device's session. Its agent may connect again at once; for "
	 "keeping it out there are device rotate --now and device rm. A relay "
	 "that stands alone is asked at --admin, with --admin-token-file."},
	command_device_kick},
    {{"fleet", "add", "NAME",
	 "Add a fleet, and print its enrolment key: once, because only a hash "
	 "of it is stored. An agent that has this key in its "
	 "enrolment_key_file enters by itself: it draws its own secret, and is "
	 "a device from then on. The options --devices, --expires and "
	 "--pattern say how many, for how long, and of which names. A relay "
	 "that stands alone writes who enters into its devices file, and needs "
	 "the right to."},
	command_fleet_add},
    {{"fleet", "ls", NULL,
	 "List the fleets, with how many devices each has enrolled."},
	command_fleet_list},
    {{"fleet", "show", "NAME", "Show one."}, command_fleet_show},
    {{"fleet", "rm", "NAME",
	 "Revoke the key. Devices that are enrolled stay; others do not get in "
	 "any more."},
	command_fleet_remove},
    {{"token", "add", "NAME",
	 "Make a token of the relays' admin API and dashboard, and print it: "
	 "once, because only a hash of it is stored. --role says what its "
	 "bearer may do: read; operate, which is to drain relays, to kick "
	 "devices and rotate their secrets, to add and remove domains, and to "
	 "make and end share links, which open services to whoever has them; "
	 "or admin, which is to make, change and remove devices, fleets and "
	 "tokens, to say who may visit a service, and to vouch for a domain "
	 "as well. --for says how long it is good."},
	command_token_add},
    {{"token", "ls", NULL, "List the tokens."}, command_token_list},
    {{"token", "rm", "NAME",
	 "Remove a token: it is good for nothing from that moment on."},
	command_token_remove},
    {{"share", "ls", "[NAME]",
	 "List the share links, of all devices or of one: those that are over "
	 "are there until another one is made."},
	command_share_list},
    {{"share", "revoke", "ID",
	 "End a share link, and the visits of those who have opened it: from "
	 "within a second on, their next requests are refused, and connections "
	 "of taupectl connect end; of an http service, a WebSocket or an answer "
	 "that has begun goes on. DEVICE/SERVICE for ID ends all links to that "
	 "service, those that are not in the list, such as operators' own, as "
	 "well: it gets another key."},
	command_share_revoke},
    {{"share", NULL, "DEVICE/SERVICE",
	 "Print a link to a service that not anybody may visit: whoever has it "
	 "may, for as long as --for says. The first request with it is an "
	 "event, and sets a cookie, so that the link's address does not stay "
	 "in the browser's; the link can be opened again until it is over. Of "
	 "a tcp or tls service it needs --relay, and is for taupectl connect. "
	 "See device set for rules."},
	command_share},
    {{"domain", "add", "HOST DEVICE/SERVICE",
	 "Have a further host name lead to a device's http or tls service. A "
	 "label under the cluster's own domain is an alias, which leads there "
	 "at once, and is nobody else's from then on. Any other is a custom "
	 "domain: it leads nowhere until domain verify has seen that it is "
	 "theirs, or with --on-my-word at once. What its owner has to put "
	 "into the DNS is printed: a CNAME, or the A and AAAA records, and a "
	 "TXT record. A device has 32 at most, and they stay its own also while "
	 "it has no lease; rules and share links of the service hold for all "
	 "its names. Letters beyond ASCII are written in their xn-- form."},
	command_domain_add},
    {{"domain", "verify", "HOST",
	 "Look whether the TXT record of a custom domain is there, and have it "
	 "lead to its service if it is. Of one that leads there already it "
	 "tells whether the record still stands, and changes nothing if it "
	 "does not. The system's name servers are asked, or those of --dns. "
	 "Fails with 75 if it is not there: it may take a while until "
	 "everybody sees a new record."},
	command_domain_verify},
    {{"domain", "ls", NULL,
	 "List the further host names of all devices, and how each was "
	 "proved: txt, its record; word, that of the operator; alias, nothing "
	 "to be proved; pending, not yet."},
	command_domain_list},
    {{"domain", "rm", "HOST",
	 "Remove a further host name: it leads nowhere from that moment on, "
	 "and visits that run go on."},
	command_domain_remove},
    {{"connect", NULL, "DEVICE/SERVICE",
	 "Join standard input and output, or with --listen each connection to "
	 "a local port, to a device's tcp or tls service, over a WebSocket "
	 "to a relay: where a firewall lets nothing through but port 443, and "
	 "for services that are private. As ssh's ProxyCommand: taupectl "
	 "connect --relay wss://relay.example.com alice/ssh. A service that "
	 "not anybody may visit needs a share link, which stands in place of "
	 "DEVICE/SERVICE, or its token in --token-file, where no list of "
	 "processes shows it. Operators need neither: where --redis or "
	 "--devices-file is given, or stands in the configuration file, the "
	 "registry tells the relay, and each connection makes a pass of its "
	 "own, a share link that is on no list and over after a minute; that "
	 "is an audit event, and the use of it one of kind share. The minute "
	 "is for opening: the connection goes on until share revoke "
	 "DEVICE/SERVICE. It ends when both sides have ended, and fails "
	 "with 67 if there is no such service, 69 if the relay or the service "
	 "cannot be reached, 74 if the connection is lost, 75 if the device "
	 "is offline, 77 if the link does not open it. --redis-timeout is how "
	 "long connecting and the relay's answer may take, each."},
	command_connect},
    {{"relay", "ls", NULL, "List the relays, with their load."},
	command_relay_list},
    {{"relay", "drain", "ID",
	 "The relay takes no more agents and asks its own to move to the "
	 "others; visits go on. It does so until relay undrain or until it is "
	 "stopped."},
	command_relay_drain},
    {{"relay", "undrain", "ID", "The relay serves again."},
	command_relay_undrain},
    {{"route", "ls", NULL,
	 "List the routes: which name or port leads to which listener."},
	command_route_list},
    {{"status", NULL, NULL,
	 "Tell how things stand, and what is wrong, in words. Fails when no "
	 "relay takes agents."},
	command_status},
    {{"doctor", NULL, NULL,
	 "Look at everything that visitors and agents depend on, and say of "
	 "each check whether it is ok, what was seen, and what to do about it. "
	 "DNS: does the wildcard of the domain lead to HAProxy, do the relays' "
	 "names resolve? Doors: are the ports open, does a relay answer where "
	 "agents go, do the certificates hold, and for how long (a warning 21 "
	 "days before their end, a failure 7 days before)? Custom domains: does "
	 "each lead here, and is there a certificate for it? HAProxy: its "
	 "version, its buffers, its errors, and its maps against the "
	 "registry's routes. Redis: its version, what it keeps on disk and "
	 "when it is full, its replicas, and the rights of its users against "
	 "redis/users.acl. Relays: their load, file descriptors and clocks; "
	 "leases and sessions that nobody has swept up. A check that cannot be "
	 "made is skipped, and says why: DNS needs --domain if no relay tells "
	 "it, HAProxy its socket on this host. It changes nothing, and no "
	 "check waits longer than --redis-timeout for an answer. Connections "
	 "come from this host, so a firewall before it is not seen. Fails when "
	 "a check does."},
	command_doctor},
    {{"cert", "load", "FILE",
	 "Have HAProxy serve this certificate, without a restart: a PEM file "
	 "with the certificate, its chain and its key, as programs that renew "
	 "certificates write it. HAProxy is given it over its runtime socket "
	 "(--haproxy, more than once for more of them); then it replaces the "
	 "file that HAProxy begins with, whole or not at all; then it is "
	 "served, and connections that there are go on. --certs is HAProxy's "
	 "TAUPE_CERTS: in a folder it is the file of the same name, which may "
	 "be a new one. haproxy/README.md has this for lego, certbot and "
	 "acme.sh."},
	command_cert_load},
    {{"cert", "ls", NULL,
	 "List the certificates of HAProxy, with their names and how long they "
	 "hold."},
	command_cert_list},
    {{"top", NULL, NULL,
	 "Show the relays and the busiest devices, anew each second: q ends, s "
	 "sorts by bytes, visits or names, / asks for a part of the names to "
	 "show. A relay tells of its twenty busiest devices, by what their "
	 "visits have moved since its last word. Not on a terminal, or with --batch, one look is printed below "
	 "the other; with --json each is an object on a line of its own. "
	 "However many devices there are, a look asks Redis for a list of the "
	 "relays and one record of each."},
	command_top},
    {{"usage", NULL, "[NAME]",
	 "Show what the device, or all that there are, has used on each day "
	 "(UTC) from --from to --to: visitors, and bytes of payload from and to "
	 "them, exactly as the relays have counted them. With --csv or --json "
	 "it is for billing. It is kept for the relays' usage_days, also of a "
	 "device that was removed since, which is shown if it is named. Today "
	 "lacks what relays have counted within their announce interval."},
	command_usage},
    {{"completion", NULL, "bash|zsh|fish",
	 "Print the script that has this shell complete the commands, options "
	 "and names of devices, fleets and relays of all of taupe's programs, "
	 "for ~/.bashrc: eval \"$(taupectl completion bash)\". Packages "
	 "install it, and then nothing is to be done."},
	command_completion},
    {{"events", NULL, NULL,
	 "Tell what has happened, a line for each event: connect, disconnect, "
	 "enrol, lease, move, share, limit, quota, audit, relay, lost (docs/EVENTS.md "
	 "has the fields of each). With -f it goes on with what happens from "
	 "now on, also when Redis or the relay was away meanwhile: that is "
	 "said on standard error. --device, --kind and --since choose, --json "
	 "makes a JSON object of each. With --webhook they go to a URL "
	 "instead, as a service does it: taupe-webhook@.service."},
	command_events},
    {{0}, NULL},
};
