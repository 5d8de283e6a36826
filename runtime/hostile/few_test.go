//go:build !long

package hostile_test

// every is how many modules there are for one that the tests over a server try: they have two minutes with all others.
const every = 8

var crowds = []string{"recursion", "loop"}
