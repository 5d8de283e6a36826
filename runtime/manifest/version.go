package manifest

import "strings"

// maxVersionBytes bounds a version, whose specification sets no bound.
const maxVersionBytes = 128

// validVersion reports whether s is a semantic version: three numbers, and optionally a pre-release and build metadata.
//
// https://semver.org/spec/v2.0.0.html
func validVersion(s string) bool {
	if len(s) > maxVersionBytes {
		return false
	}
	s, build, hasBuild := strings.Cut(s, "+")
	if hasBuild && !validVersionParts(build, false) {
		return false
	}
	s, pre, hasPre := strings.Cut(s, "-")
	if hasPre && !validVersionParts(pre, true) {
		return false
	}
	numbers := strings.Split(s, ".")
	if len(numbers) != 3 {
		return false
	}
	for _, n := range numbers {
		if !isNumeric(n) || hasLeadingZero(n) {
			return false
		}
	}
	return true
}

// validVersionParts reports whether s is a list of identifiers separated by dots. Only those of a pre-release have an
// order, and for it their numbers must have one spelling: no leading zeros.
func validVersionParts(s string, ordered bool) bool {
	for part := range strings.SplitSeq(s, ".") {
		if part == "" || ordered && isNumeric(part) && hasLeadingZero(part) {
			return false
		}
		for i := range len(part) {
			if !isAlphanumeric(part[i]) && part[i] != '-' {
				return false
			}
		}
	}
	return true
}

func isNumeric(s string) bool {
	for i := range len(s) {
		if !isDigit(s[i]) {
			return false
		}
	}
	return s != ""
}

func hasLeadingZero(s string) bool { return len(s) > 1 && s[0] == '0' }
