package envelope

import "testing"

func TestAllocations(t *testing.T) {
	head := []byte(`{"http_status":200,"mimetype":"application/json","headers":{},"body":"json","error":null}`)
	body := []byte(`{"id":4711,"name":"Ada Lovelace"}`)
	room := make([]byte, 0, 1024)
	text := Answer{Mimetype: DefaultMimetype, Body: []byte("a text with \"quotes\"\n"), Text: true, Logs: []string{"a line"}}
	for _, tc := range []struct {
		name string
		run  func()
		want float64
	}{
		{"Parse", func() {
			if _, err := Parse(head, body, false); err != nil {
				t.Error(err)
			}
		}, 1}, // the answer itself
		{"AppendV2", func() { room = text.AppendV2(room[:0]) }, 0},
		{"AppendDispatch", func() { room = AppendDispatch(room[:0], CommandNotFound, "There is no such command.") }, 0},
	} {
		if n := testing.AllocsPerRun(1000, tc.run); n != tc.want {
			t.Errorf("%s: %v allocations, want %v", tc.name, n, tc.want)
		}
	}
}
