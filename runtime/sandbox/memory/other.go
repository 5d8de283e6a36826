//go:build !linux

package memory

import "os"

func newMapped(Mode, *Image, uint64) (backing, error) { return nil, errMode }

func newImageFile(Mode, []byte) (*os.File, []byte, error) { return nil, nil, errMode }

func closeImageFile(*os.File, []byte) error { return nil }
