package sluice

import "encoding/json"

// manifest is what a connector says of itself, as the ABI describes it.
type manifest struct {
	Connector
	Commands []manifestCommand `json:"commands"`
}

type manifestCommand struct {
	Name        string              `json:"name"`
	Description string              `json:"description,omitempty"`
	Async       bool                `json:"async,omitempty"`
	TaskData    bool                `json:"task_data,omitempty"`
	Parameters  []manifestParameter `json:"parameters,omitempty"`
}

type manifestParameter struct {
	ID          string        `json:"id"`
	Type        parameterType `json:"type"`
	Required    bool          `json:"required"`
	Description string        `json:"description,omitempty"`
	Secret      bool          `json:"secret,omitempty"`
}

// parameterType is the declared type of a parameter, which is the JSON type that the host delivers.
type parameterType string

const (
	typeString parameterType = "str"
	typeInt    parameterType = "int"
	typeBool   parameterType = "bool"
	typeAny    parameterType = "any"
)

// sample returns parameters for c that a caller could have sent.
func (c *manifestCommand) sample() []byte {
	values := make(map[string]any, len(c.Parameters))
	for _, p := range c.Parameters {
		switch p.Type {
		case typeString:
			values[p.ID] = "a \"text\" with äöü"
		case typeInt:
			values[p.ID] = 42
		case typeBool:
			values[p.ID] = true
		default:
			values[p.ID] = map[string]any{"list": []any{1, 2.5, "text", nil, true}, "object": map[string]any{}}
		}
	}
	text, err := json.Marshal(values)
	if err != nil {
		return []byte("{}")
	}
	return text
}
