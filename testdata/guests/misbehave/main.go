// Misbehave is a connector for tests of everything that a guest can do wrong: it traps, exits, never ends, fills its
// memory, answers with nonsense or not at all, hands out pointers that lead nowhere, looks around for what it should not
// see, and leaves things behind for the next call to find.
//
// Commands that a well-behaved SDK makes impossible stand in raw_wasip1.go and use the bare ABI; the others stand in
// commands_wasip1.go.
package main

func main() {}
