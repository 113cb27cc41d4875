#compdef @PROGRAM@
# Completion of @PROGRAM@ in zsh: the program itself says what a word may become.

_@FUNCTION@()
{
	local line
	local -a candidates
	for line in ${(f)"$($words[1] --complete "${(@Q)words[2,CURRENT]}" 2>/dev/null)"}; do
		if [[ $line == :files ]]; then
			compset -P '*='
			_files
			return
		fi
		line=${line//:/\\:}
		candidates+=("${${line/$'\t'/:}%:}")
	done
	_describe '@PROGRAM@' candidates
}

if [ "$funcstack[1]" = "_@PROGRAM@" ]; then
	_@FUNCTION@ "$@"
else
	compdef _@FUNCTION@ @PROGRAM@
fi
