// Package nearest finds the name that somebody probably meant.
package nearest

import "strings"

// longest is how long a name may be that is compared: the cost is the product of both lengths.
const longest = 64

// Name returns the one of names that a misspelt wrong most likely means, and "" where none is close: at most a third
// of the longer word, and always at least one edit, may differ. Case does not count.
func Name(wrong string, names []string) string {
	if len(wrong) > longest {
		return ""
	}
	found, best := "", longest
	for _, name := range names {
		d := distance(strings.ToLower(wrong), strings.ToLower(name))
		if d <= max(1, max(len(wrong), len(name))/3) && d < best {
			found, best = name, d
		}
	}
	return found
}

// distance counts the bytes to insert, delete, replace or swap with their neighbour to turn a into b.
//
// https://en.wikipedia.org/wiki/Damerau%E2%80%93Levenshtein_distance#Optimal_string_alignment_distance
func distance(a, b string) int {
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
