# Completion of bigbrotr(1) and bigbrotrd(8) for bash.  Commands and options are those that the program itself lists in --help,
# so that this file knows none and never grows old.
# shellcheck shell=bash

_bigbrotr() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command='' line usage at offer=()

    COMPREPLY=()
    case $before in
    -c | --config) mapfile -t COMPREPLY < <(compgen -f -- "$word"); return ;;
    esac
    for ((at = 1; at < COMP_CWORD; at++)); do
        case ${COMP_WORDS[at]} in
        -c | --config) ((at++)) ;;
        -*) ;;
        *) command=${COMP_WORDS[at]}; break ;;
        esac
    done
    usage=$("${1/#\~/$HOME}" --help 2>/dev/null) || return
    while IFS= read -r line; do
        if [[ $line =~ ^\ {2,}- ]]; then
            # An option with its help: the options end where two spaces are.
            line="${line#"${line%%[! ]*}"}"
            [[ -z $command || $line == --json* ]] && offer+=("${line%%  *}")
        elif [[ $line =~ ^\ \ ([a-z][a-z-]*)(\ .*)?$ ]]; then
            if [[ -z $command ]]; then
                offer+=("${BASH_REMATCH[1]}")
            elif [[ ${BASH_REMATCH[1]} == "$command" ]]; then
                offer+=("${BASH_REMATCH[2]}")
            fi
        fi
    done <<<"$usage"
    if [[ -n $command || $word == -* ]]; then
        mapfile -t offer < <(grep -oE '(^|[[ ,])--?[a-z][a-z-]*' <<<"${offer[*]}" | tr -d '[ ,')
    else
        mapfile -t offer < <(printf '%s\n' "${offer[@]}" | grep '^[a-z]')
    fi
    mapfile -t COMPREPLY < <(compgen -W "${offer[*]}" -- "$word" | sort -u)
}

complete -o default -F _bigbrotr bigbrotr bigbrotrd
