package runtime

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"sluice/internal/nearest"
	"sluice/internal/quantity"
	"sluice/internal/rawjson"
)

// maxGrantItems bounds each list of a grant, MaxGrantText its text in bytes.
const (
	maxGrantItems = 1000
	MaxGrantText  = 64 << 10
)

// GrantFrom reads a grant as JSON and YAML decoders have it: a map[string]any of lists, maps, texts, booleans and
// numbers.
//
// # Errors
//
// They name the member, and the nearest one there is where it is unknown.
func GrantFrom(v any) (Grant, error) {
	var g Grant
	members, ok := v.(map[string]any)
	if !ok {
		return g, errors.New("the grant must be a mapping of its members")
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		i := slices.IndexFunc(grantMembers, func(m grantMember) bool { return m.name == name })
		if i < 0 {
			return Grant{}, unknownMember(name)
		}
		if err := grantMembers[i].read(&g, members[name]); err != nil {
			return Grant{}, fmt.Errorf("%s %w", name, err)
		}
	}
	return g, nil
}

func unknownMember(name string) error {
	var names []string
	for _, m := range grantMembers {
		names = append(names, m.name)
	}
	if near := nearest.Name(name, names); near != "" {
		return fmt.Errorf("%s is no member of a grant; did you mean %q?", shownMember(name), near)
	}
	return fmt.Errorf("%s is no member of a grant; there are %s", shownMember(name), strings.Join(names, ", "))
}

// maxShownMember is how much of an unknown member's name an error repeats, in runes.
const maxShownMember = 64

// shownMember is a member's name fit for an error: as it is where it looks like one, else quoted and cut.
func shownMember(name string) string {
	if len(name) <= maxShownMember && name != "" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-") == "" {
		return name
	}
	return fmt.Sprintf("%.*q", maxShownMember, name)
}

// ParseGrant reads a grant in JSON. Beside what [GrantFrom] refuses, it refuses a member that stands there twice.
func ParseGrant(text []byte) (Grant, error) {
	if len(text) > MaxGrantText {
		return Grant{}, fmt.Errorf("the grant is larger than %d bytes", MaxGrantText)
	}
	return parseGrantText(text)
}

func parseGrantText(text []byte) (Grant, error) {
	raw, err := rawjson.Value(text, maxGrantDepth)
	if err != nil {
		return Grant{}, fmt.Errorf("the grant is %w", err)
	}
	v, err := decoded(raw)
	if err != nil {
		return Grant{}, err
	}
	return GrantFrom(v)
}

const maxGrantDepth = 16

// decoded is a value that rawjson.Value has seen. Numbers keep their digits.
func decoded(raw []byte) (any, error) {
	switch rawjson.KindOf(raw) {
	case rawjson.Object:
		out := make(map[string]any)
		return out, rawjson.Members(raw, maxGrantDepth, func(key, value []byte) error {
			name := string(key)
			if _, twice := out[name]; twice {
				return fmt.Errorf("%s stands there twice", shownMember(name))
			}
			v, err := decoded(value)
			out[name] = v
			return err
		})
	case rawjson.Array:
		out := []any{}
		return out, rawjson.Elements(raw, maxGrantDepth, func(value []byte) error {
			v, err := decoded(value)
			out = append(out, v)
			return err
		})
	case rawjson.String:
		return string(rawjson.Unquote(raw)), nil
	case rawjson.Number:
		return json.Number(raw), nil
	case rawjson.Bool:
		return raw[0] == 't', nil
	}
	return nil, nil
}

// MarshalJSON implements json.Marshaler: the text is one that [ParseGrant] takes, with the members in their order, and
// only those that are set.
func (g Grant) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for _, m := range grantMembers {
		v := m.write(g)
		if v == nil {
			continue
		}
		text, err := json.Marshal(v)
		if err != nil {
			return nil, err
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = rawjson.AppendString(b, m.name)
		b = append(append(b, ':'), text...)
	}
	return append(b, '}'), nil
}

// UnmarshalJSON implements json.Unmarshaler by [ParseGrant].
func (g *Grant) UnmarshalJSON(text []byte) (err error) {
	*g, err = ParseGrant(text)
	return err
}

// check holds a grant that nobody may have parsed against what [GrantFrom] refuses.
func (g Grant) check() error {
	text, err := g.MarshalJSON()
	if err == nil {
		_, err = parseGrantText(text)
	}
	return err
}

// Digest is the SHA-256 of the grant's JSON text, in hexadecimal.
func (g Grant) Digest() string {
	text, err := g.MarshalJSON()
	if err != nil { // the members write texts, numbers and lists of them
		return ""
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// GrantSchema is the JSON Schema of a grant, indented. What a schema can't say, such as whether a host is a valid name, the
// parser checks beyond it.
//
// https://json-schema.org/draft/2020-12/schema
func GrantSchema() []byte {
	properties := []byte{'{'}
	for i, m := range grantMembers {
		if i > 0 {
			properties = append(properties, ',')
		}
		properties = rawjson.AppendString(properties, m.name)
		properties = append(append(properties, ':'), m.schema...)
	}
	properties = append(properties, '}')
	text, err := json.MarshalIndent(struct {
		Schema      string          `json:"$schema"`
		Title       string          `json:"title"`
		Description string          `json:"description"`
		Type        string          `json:"type"`
		Properties  json.RawMessage `json:"properties"`
		Additional  bool            `json:"additionalProperties"`
	}{
		"https://json-schema.org/draft/2020-12/schema", "A grant",
		"What an operator allows one connector: under grants.NAME in the configuration file, or by PUT /admin/v1/connectors/NAME/grant. It reaches what its manifest asks for and its grant allows.",
		"object", properties, false,
	}, "", "  ")
	if err != nil {
		panic("the schema of a member is no JSON: " + err.Error()) // which a test would have shown
	}
	return append(text, '\n')
}

// eachText reads a list of texts.
func eachText(v any, take func(s string) error) error {
	items, ok := v.([]any)
	if !ok {
		return errors.New("must be a list")
	}
	if len(items) > maxGrantItems {
		return fmt.Errorf("has more than %d items", maxGrantItems)
	}
	for i, item := range items {
		s, ok := item.(string)
		if !ok {
			return fmt.Errorf("is wrong at item %d: it must be a text", i+1)
		}
		if err := take(s); err != nil {
			return fmt.Errorf("is wrong at item %d: %w", i+1, err)
		}
	}
	return nil
}

func textsOrNil(texts []string) any {
	if len(texts) == 0 {
		return nil
	}
	return texts
}

// sizeOf reads a size that is a text or a number without fraction.
func sizeOf(v any, least, most int64) (int64, error) {
	switch v.(type) {
	case string, json.Number, int, int64, uint64, float64:
		return quantity.Size(fmt.Sprint(v), least, most)
	}
	return 0, fmt.Errorf("must be a size such as 64MiB, or a number of bytes")
}

func sizeOrNil(n int64) any {
	if n == 0 {
		return nil
	}
	return quantity.FormatSize(n)
}

func sizeSchema(doc string, least, most int64) string {
	return fmt.Sprintf(`{"description": "%s From %s to %s.", "oneOf": [{"type": "integer", "minimum": %d, "maximum": %d}, {"type": "string", "pattern": "^[0-9]+ *(KiB|MiB|GiB)?$"}]}`,
		doc, quantity.FormatSize(least), quantity.FormatSize(most), least, most)
}

func durationSchema(doc string, least, most time.Duration) string {
	const number, unit = `([0-9]+(\\.[0-9]*)?|\\.[0-9]+)`, "(ns|us|µs|ms|s|m|h)"
	return fmt.Sprintf(`{"description": "%s From %s to %s, such as 40s or 1m30s.", "type": "string", "pattern": "^(%s%s)+$"}`,
		doc, quantity.FormatDuration(least), quantity.FormatDuration(most), number, unit)
}

func countSchema(doc string, least, most int) string {
	return fmt.Sprintf(`{"description": "%s", "type": "integer", "minimum": %d, "maximum": %d}`, doc, least, most)
}
