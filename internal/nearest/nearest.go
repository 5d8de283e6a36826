// Package nearest finds the name that somebody probably meant.
package nearest

// longest is how long a name may be that is compared: the cost is the product of both lengths.
const longest = 64

// Name returns the one of names that is nearest to wrong, by the number of single-byte edits that lead from one to the
// other, and "" where none is near.
func Name(wrong string, names []string) string {
	if len(wrong) > longest {
		return ""
	}
	found, best := "", len(wrong)/3+2
	for _, name := range names {
		if d := distance(wrong, name); d < best {
			found, best = name, d
		}
	}
	return found
}

// distance is Levenshtein's.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			substitute := diagonal
			if a[i] != b[j] {
				substitute++
			}
			diagonal = row[j+1]
			row[j+1] = min(substitute, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
