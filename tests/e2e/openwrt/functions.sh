# A stand-in for OpenWrt's /lib/functions.sh: UCI files, as init scripts read them. A file's lines are
# config TYPE ['NAME'], option NAME 'VALUE', list NAME 'VALUE' and comments, which the shell
# itself can take apart.
reset_cb() {
	config_cb() { :; }
	option_cb() { :; }
	list_cb() { :; }
}
reset_cb

config() {
	uci_n=$((uci_n + 1))
	uci_section=${2:-cfg$uci_n}
	uci_sections="$uci_sections $uci_section"
	eval "uci_${uci_section}_TYPE=\$1"
	config_cb "$1" "$uci_section"
}
option() {
	eval "uci_${uci_section}_$1=\$2"
	option_cb "$1" "$2"
}
list() {
	eval "uci_${uci_section}_$1=\"\${uci_${uci_section}_$1:+\$uci_${uci_section}_$1 }\$2\""
	list_cb "$1" "$2"
}

config_load() {
	uci_n=0 uci_section= uci_sections=
	[ -r "/etc/config/$1" ] || return 1
	. "/etc/config/$1"
	config_cb
}

# config_get VARIABLE SECTION OPTION [DEFAULT]
config_get() {
	eval "$1=\${uci_$2_$3:-\$4}"
}
config_get_bool() {
	config_get "$1" "$2" "$3" "$4"
	eval "case \$$1 in
	1 | on | true | yes | enabled) $1=1 ;;
	0 | off | false | no | disabled) $1=0 ;;
	*) $1=\$4 ;;
	esac"
}
# config_foreach FUNCTION TYPE
config_foreach() {
	for uci_each in $uci_sections; do
		eval "[ \"\$uci_${uci_each}_TYPE\" = \"$2\" ] || continue"
		"$1" "$uci_each"
	done
}
