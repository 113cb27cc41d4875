# A stand-in for procd and its shell functions: one instance of a service, kept up by
# /lib/functions/procd-keep; what was asked for is in /tmp/procd/SERVICE.
procd_at=/tmp/procd

procd_open_service() {
	procd_name=$1
	mkdir -p "$procd_at/$1"
	rm -f "$procd_at/$1/command" "$procd_at/$1/params"
}
procd_open_instance() { :; }
procd_set_param() {
	echo "$*" >> "$procd_at/$procd_name/params"
	[ "$1" = command ] || return 0
	shift
	printf '%s\n' "$@" > "$procd_at/$procd_name/command"
}
procd_close_instance() { :; }
procd_add_reload_trigger() {
	echo "trigger config.change $*" >> "$procd_at/$procd_name/params"
}
procd_close_service() {
	if [ ! -e "$procd_at/$procd_name/command" ]; then
		procd_kill "$procd_name" # a service without an instance
	elif ! procd_running "$procd_name"; then
		setsid sh /lib/functions/procd-keep "$procd_at/$procd_name" \
			< /dev/null > /dev/null 2>&1 &
	fi
}
# procd_running SERVICE: is it kept up?
procd_running() {
	[ -e "$procd_at/$1/keeper" ] && kill -0 "$(cat "$procd_at/$1/keeper")" 2>/dev/null
}
# procd_send_signal SERVICE INSTANCE SIGNAL
procd_send_signal() {
	[ ! -e "$procd_at/$1/pid" ] || kill -"$3" "$(cat "$procd_at/$1/pid")"
}
procd_kill() {
	procd_running "$1" || return 0
	kill -TERM "$(cat "$procd_at/$1/keeper")"
	while procd_running "$1"; do
		sleep 1
	done
}
