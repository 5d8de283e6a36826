package manifest

import "strings"

// MaxNameBytes bounds the names of connectors, secrets and commands and the ids of parameters.
const MaxNameBytes = 64

// ValidName reports whether s can be a connector's name: ^[a-z0-9][a-z0-9._-]{0,63}$. Such a name holds no path
// separator and does not begin with a dot.
func ValidName(s string) bool {
	if s == "" || len(s) > MaxNameBytes || !isLower(s[0]) && !isDigit(s[0]) {
		return false
	}
	for i := 1; i < len(s); i++ {
		if !isLower(s[i]) && !isDigit(s[i]) && !strings.ContainsRune("._-", rune(s[i])) {
			return false
		}
	}
	return true
}

// validIdentifier reports whether s can be a command's name or a parameter's id: ^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$.
func validIdentifier(s string) bool {
	if s == "" || len(s) > MaxNameBytes || !isAlphanumeric(s[0]) {
		return false
	}
	for i := 1; i < len(s); i++ {
		if !isAlphanumeric(s[i]) && !strings.ContainsRune("_.-", rune(s[i])) {
			return false
		}
	}
	return true
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isLower(c byte) bool { return 'a' <= c && c <= 'z' }

func isAlphanumeric(c byte) bool { return isDigit(c) || isLower(c) || 'A' <= c && c <= 'Z' }
