# shellcheck shell=sh
# The cluster of scripts/demo, which sources this: Redis with taupe's users, HAProxy with
# taupe's configuration, the router, two relays, and three agents with a site each.

# Redis, with the users of redis/users.acl and one password for this demo.
start_redis() {
	redis_port=$(free_port 6390)
	(umask 077 && openssl rand -hex 16 > "$work/password")
	sed "/^user default /!s/ off / on >$(cat "$work/password") /" "$top/redis/users.acl" \
		> "$work/users.acl"
	start redis redis-server --port "$redis_port" --bind 127.0.0.1 --save '' \
		--appendonly no --dir "$work" --aclfile "$work/users.acl"
	await "Redis" nc_probe "$redis_port"
}

# The options with which a program of ours gets into Redis.
redis_options() {
	echo "--redis 127.0.0.1:$redis_port --redis-user $1 --redis-password-file $work/password"
}

ctl() {
	# shellcheck disable=SC2046
	"$build/taupectl" $(redis_options taupectl) "$@"
}

make_certificate() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 7 \
		-subj '/CN=localhost' -addext 'subjectAltName=DNS:localhost,DNS:*.localhost' \
		-keyout "$work/key.pem" -out "$work/cert.pem" 2>/dev/null &&
		cat "$work/cert.pem" "$work/key.pem" > "$work/bundle.pem"
}

# The router makes the map files, so it comes first; the two may be restarted at any time.
start_haproxy() {
	tls_port=$(free_port $((web_port + 363)))
	tcp_port=$(free_port 20000 16)
	mkdir "$work/maps"
	make_certificate || fail "openssl could not make a certificate"
	# shellcheck disable=SC2046
	start router "$build/taupe-router" $(redis_options taupe-router) \
		--haproxy "$work/haproxy.sock" --map-dir "$work/maps"
	await "the router" test -f "$work/maps/relay.again.map"
	start haproxy env TAUPE_UNPRIVILEGED=1 TAUPE_LOG=stdout \
		TAUPE_HTTP="127.0.0.1:$web_port" TAUPE_HTTPS="127.0.0.1:$tls_port" \
		TAUPE_PORTS="127.0.0.1:$tcp_port-$((tcp_port + 15))" \
		TAUPE_CERTS="$work/bundle.pem" TAUPE_MAPS="$work/maps" \
		TAUPE_PAGES="$top/haproxy/pages" TAUPE_ADMIN_SOCKET="$work/haproxy.sock" \
		TAUPE_INNER="taupe-demo-$$" haproxy -db -f "$top/haproxy/haproxy.cfg"
	await "HAProxy" nc_probe "$web_port"
}

start_relays() {
	(umask 077 && openssl rand -hex 32 > "$work/cluster.key")
	relays=
	for id in r1 r2; do
		agent_port=$(free_port 8000)
		admin_port=$(free_port 9900)
		services=$(free_port 30000 100)
		# shellcheck disable=SC2046
		start "$id" "$build/taupe-relay" --id "$id" --domain localhost \
			$(redis_options taupe-relay) --cluster-key-file "$work/cluster.key" \
			--agent-listen "127.0.0.1:$agent_port" --trusted-proxy 127.0.0.1 \
			--admin-listen "127.0.0.1:$admin_port" --public-http-port "$web_port" \
			--service-listen "127.0.0.1:$services-$((services + 99))" \
			--public-ports "$tcp_port-$((tcp_port + 15))"
		await "relay $id" curl -fs -o /dev/null "http://127.0.0.1:$admin_port/readyz"
		relays="$relays --relay ws://127.0.0.1:$agent_port"
		eval "admin_$id=$admin_port"
	done
	await "the relays' news of each other" relays_know_each_other
}

relays_know_each_other() {
	curl -fs "http://127.0.0.1:$admin_r1/api/v1/relays" | grep -q '"r2"' &&
		curl -fs "http://127.0.0.1:$admin_r2/api/v1/relays" | grep -q '"r1"'
}

start_agents() {
	for device in alice bob carol; do
		(umask 077 && ctl device add "$device" --label "$device" > "$work/$device.secret") ||
			fail "taupectl could not add $device"
		# shellcheck disable=SC2086
		start "$device" "$build/taupe-agent" $relays --name "$device" \
			--secret-file "$work/$device.secret" --state-file "$work/$device.state" \
			--service "site:http:127.0.0.1:$site_port" \
			--service "raw:tcp:127.0.0.1:$site_port"
	done
	for device in alice bob carol; do
		await "$device by its name" served "$device.localhost"
	done
}

# The public port of alice's tcp service.
alice_port() {
	sed -n 's/.*service=raw url=tcp:\/\/localhost:\([0-9]*\).*/\1/p' "$work/alice.log"
}

cluster_demo() {
	choose_web_port
	start_site
	start_redis
	ctl device add nobody >/dev/null || fail "taupectl cannot write to Redis"
	start_haproxy
	start_relays
	start_agents
	ctl device rm nobody >/dev/null
	cat <<END

    http://alice.localhost:$web_port/
    http://bob.localhost:$web_port/
    http://carol.localhost:$web_port/

Three devices at two relays, visited through HAProxy. To try:

  the same over TLS (a self-made certificate) and HTTP/2
    curl -k --http2 https://alice.localhost:$tls_port/
  alice's public TCP port
    curl http://localhost:$(alice_port)/
  what the operator sees
    t="$build/taupectl $(redis_options taupectl)"
    \$t status; \$t device ls; \$t relay ls; \$t route ls --json
    curl http://127.0.0.1:$admin_r1/metrics
  a relay dies: reload a page, its devices are at the other one within seconds
    kill -9 $pid_r1
  Redis dies: all that runs goes on
    kill -9 $pid_redis
  a device goes away: its page is held for five seconds, then there is a 503
    kill $pid_carol

Ctrl-C ends it. Logs: $work/*.log
END
}
