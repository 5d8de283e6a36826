//go:build long

package hostile_test

const every = 1

var crowds = []string{
	"recursion", "recursion-with-many-locals", "recursion-with-spilled-values", "loop", "memory-every-page-for-ever", "unreachable",
}
