package server

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"sluice/internal/rawjson"
	"sluice/runtime"
	"sluice/runtime/envelope"
	"sluice/runtime/manifest"
)

// reserved begins the names that belong to the protocol and are never parameters.
const reserved = "spiff__"

// bound is a request's body after its parameters were held against a command's.
type bound struct {
	call    runtime.Call
	members []member
	// seen finds members by name where there are so many that looking through them would take long.
	seen map[string]int
}

type member struct{ name, value []byte }

// maxMembers bounds how many parameters a body may have: each costs more memory than the bytes of a short one.
const maxMembers = 10_000

var errTooManyMembers = envelope.Fail(envelope.InvalidBody, "The body has more than 10,000 members. Put them into an object or array that is one parameter.")

// manyMembers is where members are found by a map instead of one by one.
const manyMembers = 24

// bind reads the body of a call of cmd, a flat JSON object of parameters and of the engine's fields, and leaves in
// b.call what the guest gets. Values that need no coercion are passed on as they were written.
//
// # Errors
//
// The error is an *envelope.Failure that names members, never values.
func (b *bound) bind(cmd *runtime.Command, body []byte) error {
	err := rawjson.Members(body, rawjson.MaxDepth, b.add)
	var syntax *rawjson.SyntaxError
	switch {
	case errors.Is(err, rawjson.ErrNotObject):
		return envelope.Fail(envelope.InvalidBody, "The body must be a JSON object of the command's parameters.")
	case errors.As(err, &syntax):
		return envelope.Fail(envelope.InvalidBody, "The body must be a JSON object of the command's parameters; it is "+syntax.Error()+".")
	case err != nil:
		return err
	}
	params, err := b.params(cmd.Spec, len(body))
	if err != nil {
		return err
	}
	if most := cmd.Limits().Memory / 4; uint64(len(params)) > most {
		return envelope.Fail(envelope.BodyTooLarge, fmt.Sprintf("The parameters of %s may have %d bytes together, a quarter of the memory that its connector is granted. Send less, or grant the connector more memory.", cmd.ID, most))
	}
	b.call.Params = params
	return nil
}

func (b *bound) add(name, value []byte) error {
	if bytes.HasPrefix(name, []byte(reserved)) {
		b.engineField(string(name), value)
		return nil
	}
	if i, ok := b.find(name); ok {
		b.members[i].value = value // of duplicate keys the last wins
		return nil
	}
	if len(b.members) == maxMembers {
		return errTooManyMembers
	}
	b.members = append(b.members, member{name, value})
	if b.seen == nil && len(b.members) > manyMembers {
		b.seen = make(map[string]int, 2*len(b.members))
		for i, m := range b.members {
			b.seen[string(m.name)] = i
		}
	} else if b.seen != nil {
		b.seen[string(name)] = len(b.members) - 1
	}
	return nil
}

func (b *bound) find(name []byte) (int, bool) {
	if b.seen != nil {
		i, ok := b.seen[string(name)]
		return i, ok
	}
	for i := range b.members {
		if bytes.Equal(b.members[i].name, name) {
			return i, true
		}
	}
	return 0, false
}

// engineField keeps what the engine says of the call. Fields of other names, and values of other kinds, are dropped.
func (b *bound) engineField(name string, value []byte) {
	kind := rawjson.KindOf(value)
	switch {
	case name == "spiff__process_instance_id" && (kind == rawjson.Number || kind == rawjson.String):
		b.call.ProcessInstanceID = value
	case name == "spiff__process_model_identifier" && kind == rawjson.String:
		b.call.ProcessModel = value
	case name == "spiff__task_id" && kind == rawjson.String:
		b.call.TaskID = value
	case name == "spiff__task_data" && kind == rawjson.Object:
		b.call.TaskData = value
	case name == "spiff__callback_url" && kind == rawjson.String:
		b.call.CallbackURL = string(rawjson.Unquote(value))
	}
}

// params writes the object that the guest gets: what was sent, in order, declared values coerced, null ones of
// optional parameters left out.
func (b *bound) params(spec *manifest.Command, room int) ([]byte, error) {
	var missing, invalid []string
	for i := range spec.Parameters {
		p := &spec.Parameters[i]
		at, ok := b.find([]byte(p.ID))
		if ok && rawjson.KindOf(b.members[at].value) == rawjson.Null && (!p.Required || p.Type != manifest.TypeAny) {
			b.members[at].value, ok = nil, false
		}
		switch {
		case ok:
			if b.members[at].value, ok = coerce(p.Type, b.members[at].value); !ok {
				invalid = append(invalid, fmt.Sprintf("%s (%s)", p.ID, takes[p.Type]))
			}
		case p.Required:
			missing = append(missing, p.ID)
		}
	}
	if len(missing) > 0 {
		return nil, envelope.Fail(envelope.MissingParameter, "Required parameters are missing or null: "+strings.Join(missing, ", ")+".")
	}
	if len(invalid) > 0 {
		return nil, envelope.Fail(envelope.InvalidParameter, "Parameters have values that their type can't take: "+strings.Join(invalid, ", ")+".")
	}
	out := append(make([]byte, 0, room+2), '{')
	for _, m := range b.members {
		if m.value == nil {
			continue
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = rawjson.AppendString(out, string(m.name))
		out = append(out, ':')
		out = append(out, m.value...)
	}
	return append(out, '}'), nil
}

// takes says what each type takes, for whoever sent something else.
var takes = map[manifest.Type]string{
	manifest.TypeString: "str: a string, number or boolean",
	manifest.TypeInt:    "int: a number without fraction, or one in a string",
	manifest.TypeBool:   "bool",
	manifest.TypeAny:    "any",
}
