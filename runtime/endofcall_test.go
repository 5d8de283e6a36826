package runtime

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sluice/runtime/envelope"
)

// left is how many of something a guest opens and leaves open in a call of endCalls.
const left = 5

// endCalls has a command open as many at a target, a member of its parameters, and end in each way that there is. after looks
// whether they ended with it.
func (h *harness) endCalls(command, target string, after func(how string)) {
	h.t.Helper()
	for how, code := range map[string]envelope.Code{
		"return": "", "panic": envelope.Trap, "exit": envelope.Exit, "loop": envelope.FuelExhausted, "read": envelope.DeadlineExceeded, "cancel": "",
	} {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		guestDoes := how
		switch how {
		case "read":
			ctx, cancel = context.WithTimeout(context.Background(), time.Second)
		case "cancel":
			guestDoes = "read"
			ctx, cancel = context.WithCancel(context.Background())
			time.AfterFunc(time.Second, cancel)
		}
		_, err := h.execute(ctx, command, fmt.Sprintf(`{%s,"count":%d,"how":%q}`, target, left, guestDoes))
		cancel()
		var failure *envelope.Failure
		if code != "" && how != "read" && (!errors.As(err, &failure) || failure.Code != code) {
			h.t.Errorf("%s: got %v, want %s", how, err, code)
		}
		after(how)
	}
	a, err := h.execute(context.Background(), command, fmt.Sprintf(`{%s,"count":17,"how":"return"}`, target))
	if err != nil || a.Error == nil || a.Error.Code != "overloaded" {
		h.t.Errorf("17 at once: %+v, %v", a, err)
	}
}
