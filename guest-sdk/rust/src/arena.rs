//! The allocator of modules: an arena for the little that most calls need, and the system's allocator beyond.
//!
//! A call starts from the memory image and is short, so that hardly anything has to be freed in it. The arena gives memory
//! out in a few instructions, and side by side: of each page that a call writes to, the host makes a copy.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::ptr;

#[cfg(target_arch = "wasm32")]
#[global_allocator]
static ARENA: Arena = Arena::new();

/// How many bytes the arena has.
const BYTES: usize = (64 << 10) - ALIGN;

/// The largest alignment that the arena gives.
const ALIGN: usize = 16;

struct Arena(UnsafeCell<Space>);

/// Begins with a page, so that a call which needs little writes to no other one.
#[repr(C, align(4096))]
struct Space {
    /// Where the rest of `bytes` begins that is free.
    used: usize,
    bytes: Bytes,
}

#[repr(C, align(16))]
struct Bytes([MaybeUninit<u8>; BYTES]);

// SAFETY: a module has one thread.
#[cfg(target_arch = "wasm32")]
unsafe impl Sync for Arena {}

impl Arena {
    const fn new() -> Self {
        Arena(UnsafeCell::new(Space { used: 0, bytes: Bytes([MaybeUninit::zeroed(); BYTES]) }))
    }

    /// Where in the arena a block is; None for one of the system's.
    fn place(&self, block: *mut u8) -> Option<usize> {
        let place = (block as usize).wrapping_sub(self.bytes() as usize);
        (place < BYTES).then_some(place)
    }

    fn bytes(&self) -> *mut u8 {
        // SAFETY: the pointer is to a field of the static.
        unsafe { (&raw mut (*self.0.get()).bytes).cast() }
    }

    fn used(&self) -> usize {
        // SAFETY: a module has one thread, and nobody holds a reference to the field.
        unsafe { (*self.0.get()).used }
    }

    fn set_used(&self, used: usize) {
        // SAFETY: as above.
        unsafe { (*self.0.get()).used = used }
    }
}

// SAFETY: what the arena gives out lies below `used`, which goes back only over the last block.
unsafe impl GlobalAlloc for Arena {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let start = (self.used() + layout.align() - 1) & !(layout.align() - 1);
        let end = start + layout.size();
        if layout.align() > ALIGN || end > BYTES {
            // SAFETY: the caller's.
            return unsafe { System.alloc(layout) };
        }
        self.set_used(end);
        // SAFETY: `start` is within the arena.
        unsafe { self.bytes().add(start) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        match self.place(block) {
            Some(start) if start + layout.size() == self.used() => self.set_used(start),
            Some(_) => {}
            // SAFETY: the caller's.
            None => unsafe { System.dealloc(block, layout) },
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let Some(start) = self.place(block) else {
            // SAFETY: the caller's.
            return unsafe { System.realloc(block, layout, size) };
        };
        let is_last = start + layout.size() == self.used();
        if is_last && start + size <= BYTES {
            self.set_used(start + size);
            return block;
        }
        if size <= layout.size() {
            return block;
        }
        // SAFETY: the caller's, and the new block is another one of at least the old one's size.
        unsafe {
            let moved = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !moved.is_null() {
                ptr::copy_nonoverlapping(block, moved, layout.size());
                self.dealloc(block, layout);
            }
            moved
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A block with a pattern in it that tells it from others.
    struct Block {
        at: *mut u8,
        layout: Layout,
        pattern: u8,
    }

    impl Block {
        fn new(arena: &Arena, size: usize, align: usize, pattern: u8) -> Block {
            let layout = Layout::from_size_align(size, align).expect("a layout");
            let block = Block { at: unsafe { arena.alloc(layout) }, layout, pattern };
            assert_eq!(block.at as usize % align, 0);
            block.fill(0);
            block
        }

        fn fill(&self, from: usize) {
            unsafe { self.at.add(from).write_bytes(self.pattern, self.layout.size() - from) }
        }

        fn check(&self, size: usize) {
            let bytes = unsafe { std::slice::from_raw_parts(self.at, size) };
            assert!(bytes.iter().all(|&byte| byte == self.pattern));
        }

        fn resize(&mut self, arena: &Arena, size: usize) {
            let old = self.layout.size();
            self.at = unsafe { arena.realloc(self.at, self.layout, size) };
            self.layout = Layout::from_size_align(size, self.layout.align()).expect("a layout");
            self.check(old.min(size));
            self.fill(old.min(size));
        }

        fn free(self, arena: &Arena) {
            self.check(self.layout.size());
            unsafe { arena.dealloc(self.at, self.layout) }
        }
    }

    #[test]
    fn the_last_block_grows_and_goes_in_place() {
        let arena = Box::new(Arena::new());
        let first = Block::new(&arena, 5, 1, 1);
        let mut last = Block::new(&arena, 8, 8, 2);
        let place = arena.place(last.at);
        assert_eq!(place, Some(8));
        last.resize(&arena, 1000);
        assert_eq!((arena.place(last.at), arena.used()), (place, 1008));
        last.resize(&arena, 10);
        assert_eq!(arena.used(), 18);
        last.free(&arena);
        assert_eq!(arena.used(), 8);
        first.free(&arena);
        assert_eq!(arena.used(), 8, "what went in another order stays");
    }

    #[test]
    fn what_does_not_fit_is_the_systems() {
        let arena = Box::new(Arena::new());
        let mut block = Block::new(&arena, BYTES, 16, 1);
        assert_eq!(arena.place(block.at), Some(0));
        let other = Block::new(&arena, 1, 1, 2);
        assert_eq!(arena.place(other.at), None);
        block.resize(&arena, BYTES + 1);
        assert_eq!((arena.place(block.at), arena.used()), (None, 0));
        block.resize(&arena, 1);
        let aligned = Block::new(&arena, 64, 64, 3);
        assert_eq!(arena.place(aligned.at), None);
        for block in [block, other, aligned] {
            block.free(&arena);
        }
    }

    #[test]
    fn blocks_do_not_overlap() {
        let arena = Box::new(Arena::new());
        let mut blocks = Vec::new();
        let mut random = 1_u32;
        for i in 0..20_000_u32 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let (choice, size) = (random >> 30, 1 + (random >> 12) as usize % 700);
            let at = (random >> 8) as usize % (blocks.len() + 1);
            match choice {
                0 if at < blocks.len() => Block::resize(&mut blocks[at], &arena, size),
                1 if at < blocks.len() => blocks.swap_remove(at).free(&arena),
                2 if blocks.len() > 100 => blocks.pop().expect("a block").free(&arena),
                _ => blocks.push(Block::new(&arena, size, 1 << ((random >> 5) % 5), i as u8)),
            }
        }
        blocks.into_iter().rev().for_each(|block| block.free(&arena));
    }
}
