//go:build race

package egress

// raceDetector makes pools forget at random, so that allocations can't be counted.
const raceDetector = true
