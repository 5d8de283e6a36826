//! Bodies that a call reads as they come.

use super::{Reply, State, failure};
use crate::abi::errno;

/// A body of which so much was read.
pub(super) struct Stream {
    offset: usize,
    /// The code of what ends it before its end.
    cut: Option<String>,
}

impl State {
    /// Opens the handles of a reply.
    pub(super) fn answer_request(&mut self, reply: Reply, streams: bool) -> i32 {
        let answered = !reply.head["status"].is_null();
        match reply.cut {
            Some(code) if !streams => self.open_pair(&cut_off(&code), Vec::new()),
            cut => {
                let head = self.open_pair(&reply.head, reply.body);
                if streams && answered {
                    self.streams.insert(head as u32 + 1, Stream { offset: 0, cut });
                }
                head
            }
        }
    }

    /// Says whether `len` bytes can be read from `offset` on, which is where the last reading of a stream ended.
    pub(super) fn read_on(&mut self, handle: u32, offset: u64, len: usize) -> Result<(), i32> {
        let Some(stream) = self.streams.get_mut(&handle) else { return Ok(()) };
        if offset != stream.offset as u64 {
            return Err(errno::INVALID);
        }
        let left = self.handles.get(&handle).map_or(0, Vec::len) - stream.offset;
        if left == 0 && len > 0 {
            if let Some(code) = &stream.cut {
                if let Some(head) = self.handles.get_mut(&(handle - 1)) {
                    *head = cut_off(code).to_string().into_bytes();
                }
                return Err(errno::CLOSED);
            }
        }
        stream.offset += left.min(len);
        Ok(())
    }

    /// What `write_from` passes on: of a stream, what was not read.
    pub(super) fn whole(&mut self, handle: u32) -> Result<Vec<u8>, i32> {
        let bytes = self.handles.get(&handle).cloned().ok_or(errno::BAD_HANDLE)?;
        let Some(stream) = self.streams.get_mut(&handle) else { return Ok(bytes) };
        let start = std::mem::replace(&mut stream.offset, bytes.len());
        self.read_on(handle, bytes.len() as u64, 1)?;
        Ok(bytes[start..].to_vec())
    }
}

fn cut_off(code: &str) -> serde_json::Value {
    failure(code, &format!("the body ended before its end: {code}"))
}
