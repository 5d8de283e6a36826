//go:build race

package server_test

// raceDetector makes pools forget at random, so that allocations can't be counted.
const raceDetector = true
