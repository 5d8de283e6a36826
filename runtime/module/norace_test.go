//go:build !race

package module_test

// raceDetector says that the race detector makes everything many times slower.
const raceDetector = false
