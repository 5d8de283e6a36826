package hostfuncs

import "crypto/rand"

// Random fills p with bytes of the system's cryptographic generator.
func (c *Call) Random(p []byte) {
	// rand.Read never fails: it ends the process where the system has no randomness.
	_, _ = rand.Read(p)
}
