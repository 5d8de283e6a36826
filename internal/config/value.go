package config

import (
	"fmt"
	"strconv"
	"time"

	"sluice/internal/quantity"
)

func text(field func(*Config) *string) func(*Config, string) error {
	return func(c *Config, v string) error {
		if v == "" {
			return fmt.Errorf("is empty")
		}
		*field(c) = v
		return nil
	}
}

func duration(least, most time.Duration, field func(*Config) *time.Duration) func(*Config, string) error {
	return func(c *Config, v string) error {
		d, err := quantity.Duration(v, least, most)
		*field(c) = d
		return err
	}
}

func count(least, most int, field func(*Config) *int) func(*Config, string) error {
	return func(c *Config, v string) error {
		n, err := strconv.Atoi(v)
		if err != nil || n < least || n > most {
			return fmt.Errorf("is not a number from %d to %d", least, most)
		}
		*field(c) = n
		return nil
	}
}

func size(least, most int64, set func(*Config, int64)) func(*Config, string) error {
	return func(c *Config, v string) error {
		n, err := quantity.Size(v, least, most)
		if err == nil {
			set(c, n)
		}
		return err
	}
}
