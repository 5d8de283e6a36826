// Package compile turns modules into native code outside of the server: the first compilation of a module runs in a
// limited process of the same binary, the helper, and leaves its result in the engine's compilation cache, from where
// the server and all its later starts load it. A module that crashes the compiler, or would take its memory or time
// without end, ends the helper and nothing else.
//
// Whoever can write to the cache runs native code in the server. So the cache is a folder of this user alone, and each
// file is compared with its digest, which is kept elsewhere as a [Record], before the engine may load it.
package compile

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Limits bound one compilation. A field that is 0 has its default.
type Limits struct {
	// Data is how much memory the helper may take beyond what it starts with, in bytes. Default 1 GiB. Linux only.
	Data uint64
	// CPU is how much processor time the helper may take, all its threads together, in whole seconds. Default 60 s. Linux
	// only.
	CPU time.Duration
	// Wall is how long a compilation may take from the start of the helper to its end. Default 90 s.
	Wall time.Duration
	// Module is how large a module may be, in bytes. Default 128 MiB.
	Module int64
	// Code is how large the file with its native code may be, in bytes. Default 512 MiB. On Linux the helper can't write
	// more; elsewhere it is refused afterwards.
	Code int64
}

// DefaultLimits are the limits where nothing else is said.
func DefaultLimits() Limits {
	return Limits{Data: 1 << 30, CPU: 60 * time.Second, Wall: 90 * time.Second, Module: 128 << 20, Code: 512 << 20}
}

func (l Limits) withDefaults() Limits {
	d := DefaultLimits()
	if l.Data == 0 {
		l.Data = d.Data
	}
	if l.CPU == 0 {
		l.CPU = d.CPU
	}
	l.CPU = max(l.CPU.Round(time.Second), time.Second)
	if l.Wall == 0 {
		l.Wall = d.Wall
	}
	if l.Module == 0 {
		l.Module = d.Module
	}
	if l.Code == 0 {
		l.Code = d.Code
	}
	return l
}

// Config is how a Compiler is made.
type Config struct {
	// CacheDir is the folder of the engine's compilation cache, made where there is none. It belongs to one Compiler at a
	// time, which removes from it what it does not know.
	CacheDir string
	// Limits bound each compilation.
	Limits Limits
	// Command starts the helper: a program and its first arguments, before those of the Compiler. Default: the program that
	// is running, which must have called Helper.
	Command []string
	// Logger takes what operators should know. Default: nothing is logged.
	Logger *slog.Logger
}

// Compiler fills the compilation cache. It is safe for concurrent use, and runs one helper at a time.
type Compiler struct {
	config   Config
	compiler identity

	// one is held by whoever runs the helper or changes what is in the cache.
	one chan struct{}
	// known has the records of the modules that may be in the cache, by key. known.mu protects it.
	known struct {
		mu      sync.Mutex
		records map[string]Record
	}
}

// knownMax bounds how many records are remembered. What is forgotten is compiled anew, should it be asked for.
const knownMax = 1 << 14

// New makes the cache's folder private, removes what helpers of an earlier process left there, and returns a compiler
// that knows of nothing in the cache; see [Compiler.Adopt].
//
// # Errors
//
// [ErrNoHelper], and what is wrong with the folder.
func New(c Config) (*Compiler, error) {
	c.Limits = c.Limits.withDefaults()
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	var err error
	if len(c.Command) == 0 {
		if c.Command, err = ownCommand(); err != nil {
			return nil, err
		}
	}
	if c.CacheDir, err = filepath.Abs(c.CacheDir); err != nil {
		return nil, fmt.Errorf("the folder for compiled code: %w", err)
	}
	if err := PrivateDir(c.CacheDir); err != nil {
		return nil, err
	}
	if err := removeWorkshops(c.CacheDir); err != nil {
		return nil, fmt.Errorf("the folder for compiled code: %w", err)
	}
	k := &Compiler{config: c, one: make(chan struct{}, 1)}
	k.known.records = make(map[string]Record)
	if k.compiler, err = identify(c.CacheDir); err != nil {
		return nil, err
	}
	if err := PrivateDir(k.codeDir()); err != nil {
		return nil, err
	}
	return k, nil
}

// Compile makes sure that the engine finds the module's code in the cache, and returns the record by which a later start
// knows it. A module whose code is there as recorded is not compiled again. The others wait for each other, each no
// longer than its context; one whose context ends while it is compiled is given up.
//
// # Errors
//
// An *[Error], or the context's. There is no more in the cache than before then.
func (c *Compiler) Compile(ctx context.Context, wasm []byte) (Record, error) {
	if int64(len(wasm)) > c.config.Limits.Module {
		return "", c.failure(causeModule, "")
	}
	key := c.compiler.key(wasm)
	if r, err := c.recorded(key); r != "" || err != nil {
		return r, err
	}
	select {
	case c.one <- struct{}{}:
	case <-ctx.Done():
		return "", ctx.Err()
	}
	defer func() { <-c.one }()
	if r, err := c.recorded(key); r != "" || err != nil { // by the one who was waited for
		return r, err
	}
	if err := ctx.Err(); err != nil {
		return "", err
	}
	if err := c.discard(key); err != nil {
		return "", err
	}
	r, err := c.compile(ctx, key, wasm)
	if err != nil {
		return "", err
	}
	c.remember(key, r)
	return r, nil
}

// compile runs the helper in a folder of its own and moves what it wrote to the cache. The caller holds c.one.
func (c *Compiler) compile(ctx context.Context, key string, wasm []byte) (r Record, err error) {
	workshop, err := newWorkshop(c.config.CacheDir)
	if err != nil {
		return "", c.storageError(err)
	}
	defer func() {
		if removeErr := os.RemoveAll(workshop); removeErr != nil {
			c.config.Logger.Warn("a folder of the compile helper could not be removed; the next start does it", "error", removeErr.Error())
		}
	}()
	said, err := c.runHelper(ctx, workshop, wasm)
	if err != nil {
		return "", err
	}
	name, err := c.compiler.find(workshop)
	if err != nil {
		return "", c.distrust(err)
	}
	made := filepath.Join(workshop, c.compiler.dir, name)
	digest, err := digestOf(made, c.config.Limits.Code)
	switch {
	case errors.Is(err, errTooLarge):
		return "", c.failure(causeCode, "")
	case err != nil:
		return "", c.storageError(err)
	case digest != said:
		return "", c.distrust(errors.New("the file has another digest than the helper reported"))
	}
	// Neither is synced: what a power cut takes away, or leaves torn, is compiled again.
	if err := os.Rename(made, filepath.Join(c.codeDir(), name)); err != nil {
		return "", c.storageError(err)
	}
	return newRecord(key, name, digest), nil
}

// recorded returns the record of the module with this key, if its code is in the cache as recorded, and else "".
func (c *Compiler) recorded(key string) (Record, error) {
	r := c.lookUp(key)
	if r == "" {
		return "", nil
	}
	digest, err := digestOf(c.pathOf(r), c.config.Limits.Code)
	switch {
	case err == nil && digest == r.digest():
		return r, nil
	case err == nil, errors.Is(err, fs.ErrNotExist), errors.Is(err, errNotRegular), errors.Is(err, errTooLarge):
		return "", nil
	}
	return "", c.storageError(err)
}

// discard removes code that is not what was recorded. The caller holds c.one.
func (c *Compiler) discard(key string) error {
	r := c.lookUp(key)
	if r == "" {
		return nil
	}
	if _, err := os.Lstat(c.pathOf(r)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	c.config.Logger.Warn("compiled code differed from what was recorded; it was removed and is compiled anew", "file", r.name())
	if err := os.RemoveAll(c.pathOf(r)); err != nil {
		return c.storageError(err)
	}
	return nil
}

// Adopt tells the compiler what is in the cache, at start, before the first Compile: the records that were kept. All else
// is removed from the cache, and how many files that were is returned. A record that is no record, or of another
// processor or version, is of no use and does no harm. Code is compared with its digest when it is asked for.
func (c *Compiler) Adopt(records []Record) (removed int, err error) {
	c.one <- struct{}{}
	defer func() { <-c.one }()
	keep := make(map[string]bool, len(records))
	for _, r := range records {
		if r.valid() {
			c.remember(r.key(), r)
			keep[r.name()] = true
		}
	}
	removed, err = c.compiler.sweep(c.config.CacheDir, keep)
	if err != nil {
		return removed, c.storageError(err)
	}
	return removed, nil
}

func (c *Compiler) lookUp(key string) Record {
	c.known.mu.Lock()
	defer c.known.mu.Unlock()
	return c.known.records[key]
}

func (c *Compiler) remember(key string, r Record) {
	c.known.mu.Lock()
	defer c.known.mu.Unlock()
	if len(c.known.records) >= knownMax {
		clear(c.known.records)
	}
	c.known.records[key] = r
}

func (c *Compiler) codeDir() string        { return filepath.Join(c.config.CacheDir, c.compiler.dir) }
func (c *Compiler) pathOf(r Record) string { return filepath.Join(c.codeDir(), r.name()) }

// digestOf returns the SHA-256 of a regular file of at most so many bytes.
func digestOf(path string, most int64) (string, error) {
	info, err := os.Lstat(path) // opening a pipe or a device could wait for ever
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", errNotRegular
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	h := sha256.New()
	n, err := io.Copy(h, io.LimitReader(f, most+1))
	switch {
	case err != nil:
		return "", err
	case n > most:
		return "", errTooLarge
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
