# Completion of @PROGRAM@ in bash: the program itself says what a word may become.

_@FUNCTION@()
{
	local words=() word line joined=no before after i
	for ((i = 1; i <= COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		# bash splits --option=value and host:port, and would have only their last piece
		if ((${#words[@]} > 0)) && [[ $joined = yes || $word == [=:]* ]]; then
			words[${#words[@]} - 1]+=$word
		else
			words+=("$word")
		fi
		[[ $word == *[=:] ]] && joined=yes || joined=no
	done
	word=${words[${#words[@]} - 1]}
	after=${word##*[=:]}
	before=${word%"$after"}
	COMPREPLY=()
	while IFS= read -r line; do
		if [[ $line = :files ]]; then
			compopt -o filenames 2>/dev/null
			while IFS= read -r line; do
				COMPREPLY+=("$line")
			done < <(compgen -f -- "$after")
		else
			line=${line%%$'\t'*}
			COMPREPLY+=("${line#"$before"}")
		fi
	done < <("$1" --complete "${words[@]}" 2>/dev/null)
}
complete -F _@FUNCTION@ @PROGRAM@
