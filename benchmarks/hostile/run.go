package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"sluice/benchmarks/figures"
	"sluice/runtime/hostile"
)

// run measures what the plan says, and returns a page of it. It reports progress by lines.
func run(ctx context.Context, p plan, progress func(line string)) (page string, err error) {
	machine := figures.ThisMachine()
	modules, bombs, err := p.choose(hostile.Modules())
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "sluice-hostile")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	progress("building sluice")
	program, err := build(ctx, p, dir)
	if err != nil {
		return "", err
	}
	var e ends
	err = serving(ctx, p, program, dir, p.Deadline, modules, progress, func(s *server) (err error) {
		e, err = measureEnds(ctx, p, s, modules, progress)
		return err
	})
	if err != nil {
		return "", err
	}
	var f fairness
	if len(bombs) > 0 {
		err = serving(ctx, p, program, dir, p.BombDeadline, bombs, progress, func(s *server) (err error) {
			f, err = measureFairness(ctx, p, s, bombs, progress)
			return err
		})
	}
	if err != nil {
		return "", err
	}
	return report(machine, p, e, f), nil
}

// serving starts a server, installs the modules, and stops it when measure has returned.
func serving(ctx context.Context, p plan, program, dir string, deadline time.Duration, modules []hostile.Module, progress func(string), measure func(*server) error) (err error) {
	s, err := serve(ctx, p, program, dir, deadline)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	for _, m := range modules {
		if err := s.upload(m.Bytes); err != nil {
			return fmt.Errorf("uploading %s: %w", m.Name, err)
		}
		progress("uploaded " + m.Name)
	}
	return measure(s)
}

// choose returns the modules whose calls are measured, and the bombs: all compute until they are stopped.
func (p plan) choose(all []hostile.Module) (modules, bombs []hostile.Module, err error) {
	for _, m := range all {
		if !m.Burns || m.Phase != hostile.Execute {
			continue
		}
		if p.Modules.MatchString(m.Name) {
			modules = append(modules, m)
		}
		if slices.Contains(p.Bombs, m.Name) {
			bombs = append(bombs, m)
		}
	}
	if len(modules) == 0 || len(bombs) < len(p.Bombs) {
		return nil, nil, fmt.Errorf("-modules and -bombs: there are no such modules that compute without end")
	}
	return modules, bombs, nil
}
