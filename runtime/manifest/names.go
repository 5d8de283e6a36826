package manifest

import "strings"

// maxNameBytes bounds the names of connectors and commands and the ids of parameters.
const maxNameBytes = 64

// ValidName reports whether s can be a connector's name: ^[a-z0-9][a-z0-9._-]{0,63}$. Such a name holds no path
// separator and does not begin with a dot.
func ValidName(s string) bool {
	if s == "" || len(s) > maxNameBytes || !isLower(s[0]) && !isDigit(s[0]) {
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
	if s == "" || len(s) > maxNameBytes || !isAlphanumeric(s[0]) {
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

// nearest returns the candidate that a misspelt s most likely means, or "" where none is close: at most a third of
// the longer word, and always at least one edit, may differ. Case does not count.
func nearest(s string, candidates []string) string {
	if len(s) > maxNameBytes {
		return ""
	}
	best, bestDistance := "", maxNameBytes
	for _, c := range candidates {
		d := editDistance(strings.ToLower(s), strings.ToLower(c))
		if d <= max(1, max(len(s), len(c))/3) && d < bestDistance {
			best, bestDistance = c, d
		}
	}
	return best
}

// editDistance counts the bytes to insert, delete, replace or swap with their neighbour to turn a into b.
//
// https://en.wikipedia.org/wiki/Damerau%E2%80%93Levenshtein_distance#Optimal_string_alignment_distance
func editDistance(a, b string) int {
	beforeLast := make([]int, len(b)+1)
	last := make([]int, len(b)+1)
	row := make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			replace := last[j-1]
			if a[i-1] != b[j-1] {
				replace++
			}
			row[j] = min(replace, last[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], beforeLast[j-2]+1)
			}
		}
		beforeLast, last, row = last, row, beforeLast
	}
	return last[len(b)]
}
