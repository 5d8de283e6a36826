package abi

import "sluice/hostfuncs/egress"

// coming lends what the body of a response takes while it comes, out of what the host may hold for the call. Without it,
// bodies that come slowly would fill the memory before any of them counts.
type coming struct {
	call    *Call
	bytes   int  // lent
	before  int  // what was charged when it began
	refused bool // there was not enough
}

// receiveBody begins a response.
func (c *Call) receiveBody() egress.Memory {
	c.coming = coming{call: c, before: c.charged}
	return &c.coming
}

// Take implements egress.Memory.
func (m *coming) Take(n int) bool {
	if !m.call.charge(m.bytes + n) {
		m.refused = true
		return false
	}
	m.bytes += n
	return true
}

// Give implements egress.Memory.
func (m *coming) Give(n int) {
	m.bytes -= n
	m.call.uncharge(m.bytes, m.before)
}

// received ends it. What was kept of the response counts among what the call holds, and the rest no more.
func (c *Call) received() {
	c.uncharge(0, c.coming.before)
	c.coming = coming{}
}

// uncharge gives back what was charged beyond what the host holds for the call and n bytes more, but for least.
func (c *Call) uncharge(n, least int) {
	total := max(c.held+cap(c.body)+n-uncharged, least)
	if less := c.charged - total; less > 0 {
		c.Budget.Give(uint64(less))
		c.charged = total
	}
}

var _ egress.Memory = (*coming)(nil)
