package server

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"sluice/internal/rawjson"
	"sluice/runtime"
	"sluice/runtime/envelope"
	"sluice/runtime/manifest"
)

// reserved begins the names that belong to the protocol and are never parameters.
const reserved = "spiff__"

// maxMembers bounds how many parameters a body may have: each costs more memory than the bytes of a short one.
const maxMembers = 10_000

var errTooManyMembers = envelope.Fail(envelope.InvalidBody, "The body has more than 10,000 members. Put them into an object or array that is one parameter.")

// manyMembers is where members are found by a map instead of one by one.
const manyMembers = 24

// bind reads b.body, the body of a call of cmd, which is a flat JSON object of parameters and of the engine's fields,
// and leaves in b.call what the guest gets. Values that need no coercion are passed on as they were written.
//
// # Errors
//
// The error is an *envelope.Failure that names members, never values.
func (b *bound) bind(cmd *runtime.Command) error {
	if err := rawjson.Members(b.body, rawjson.MaxDepth, b.add); err != nil {
		return badBody(err)
	}
	if err := b.coerce(cmd.Spec); err != nil {
		return err
	}
	b.write()
	if most := cmd.Limits().Memory / 4; uint64(len(b.params)) > most {
		return envelope.Fail(envelope.BodyTooLarge, fmt.Sprintf("The parameters of %s may have %d bytes together, a quarter of the memory that its connector is granted. Send less, or grant the connector more memory.", cmd.ID, most))
	}
	b.call.Params = b.params
	return nil
}

func badBody(err error) error {
	const must = "The body must be a JSON object of the command's parameters"
	if errors.Is(err, rawjson.ErrNotObject) {
		return envelope.Fail(envelope.InvalidBody, must+".")
	}
	if syntax, ok := errors.AsType[*rawjson.SyntaxError](err); ok {
		return envelope.Fail(envelope.InvalidBody, must+"; it is "+syntax.Error()+".")
	}
	return err
}

func (b *bound) add(name, value []byte) error {
	if len(name) >= len(reserved) && string(name[:len(reserved)]) == reserved {
		b.engineField(name, value)
		return nil
	}
	if i, ok := find(b, name); ok {
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

func find[T string | []byte](b *bound, name T) (int, bool) {
	if b.seen != nil {
		i, ok := b.seen[string(name)]
		return i, ok
	}
	for i := range b.members {
		if string(b.members[i].name) == string(name) {
			return i, true
		}
	}
	return 0, false
}

// engineField keeps what the engine says of the call. Fields of other names, and values of other kinds, are dropped.
func (b *bound) engineField(name, value []byte) {
	kind := rawjson.KindOf(value)
	switch text := kind == rawjson.String; string(name) {
	case "spiff__process_instance_id":
		if text || kind == rawjson.Number {
			b.call.ProcessInstanceID = value
		}
	case "spiff__process_model_identifier":
		if text {
			b.call.ProcessModel = value
		}
	case "spiff__task_id":
		if text {
			b.call.TaskID = value
		}
	case "spiff__task_data":
		if kind == rawjson.Object {
			b.call.TaskData = value
		}
	case "spiff__callback_url":
		if text {
			b.call.CallbackURL = string(rawjson.Unquote(value))
		}
	}
}

// coerce makes the values of declared parameters what the command's manifest says; null ones of optional parameters
// become nil, as if they had not been sent.
func (b *bound) coerce(spec *manifest.Command) error {
	var missing, invalid []string
	for i := range spec.Parameters {
		p := &spec.Parameters[i]
		at, ok := find(b, p.ID)
		if ok && rawjson.KindOf(b.members[at].value) == rawjson.Null && (!p.Required || p.Type != manifest.TypeAny) {
			b.members[at].value, ok = nil, false
		}
		switch {
		case ok:
			if b.members[at].value, ok = coerce(p.Type, b.members[at].value, &b.room); !ok {
				invalid = append(invalid, fmt.Sprintf("%s (%s)", p.ID, takes[p.Type]))
			}
		case p.Required:
			missing = append(missing, p.ID)
		}
	}
	if len(missing) > 0 {
		return envelope.Fail(envelope.MissingParameter, "Required parameters are missing or null: "+strings.Join(missing, ", ")+".")
	}
	if len(invalid) > 0 {
		return envelope.Fail(envelope.InvalidParameter, "Parameters have values that their type can't take: "+strings.Join(invalid, ", ")+".")
	}
	return nil
}

// write writes the object that the guest gets: what was sent, in order, without what is nil.
func (b *bound) write() {
	out := append(slices.Grow(b.params[:0], len(b.body)+2), '{')
	for _, m := range b.members {
		if m.value == nil {
			continue
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = rawjson.AppendString(out, m.name)
		out = append(out, ':')
		out = append(out, m.value...)
	}
	b.params = append(out, '}')
}

// takes says what each type takes, for whoever sent something else.
var takes = map[manifest.Type]string{
	manifest.TypeString: "str: a string, number or boolean",
	manifest.TypeInt:    "int: a number without fraction, or one in a string",
	manifest.TypeBool:   "bool",
	manifest.TypeAny:    "any",
}
