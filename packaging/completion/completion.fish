# Completion of @PROGRAM@ in fish: the program itself says what a word may become.

function __@FUNCTION@_complete
	set -l words (commandline --tokenize --cut-at-cursor --current-process)
	set -l current (commandline --current-token --cut-at-cursor)
	for line in ($words[1] --complete $words[2..-1] "$current" 2>/dev/null)
		if test "$line" = ":files"
			set -l before (string match --regex '^--[^=]*=' -- "$current")
			__fish_complete_path (string replace -- "$before" '' "$current") |
				string replace --regex -- '^' "$before"
		else
			echo $line
		end
	end
end
complete --command @PROGRAM@ --no-files --arguments '(__@FUNCTION@_complete)'
