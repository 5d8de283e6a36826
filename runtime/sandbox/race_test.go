//go:build race

package sandbox

// raceDetector allocates, so that allocations can't be counted.
const raceDetector = true
