use super::Fault;

/// Reads the fields of a packet one after the other.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    #[inline]
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    /// Where the next field is in the bytes that the reader was made of.
    #[inline]
    pub(super) fn at(&self) -> usize {
        self.at
    }

    #[inline]
    pub(super) fn has_more(&self) -> bool {
        self.at < self.bytes.len()
    }

    /// Says that the packet ends here.
    #[inline]
    pub(super) fn end(&self) -> Result<(), Fault> {
        if self.has_more() {
            return Err(Fault::TRAILING);
        }
        Ok(())
    }

    #[inline]
    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], Fault> {
        let taken = self.bytes.get(self.at..).and_then(|rest| rest.get(..count)).ok_or(Fault::TRUNCATED)?;
        self.at += count;
        Ok(taken)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let rest = self.bytes.get(self.at..).ok_or(Fault::TRUNCATED)?;
        let array = rest.first_chunk::<N>().ok_or(Fault::TRUNCATED)?;
        self.at += N;
        Ok(*array)
    }

    #[inline]
    pub(super) fn u8(&mut self) -> Result<u8, Fault> {
        self.array().map(|[byte]| byte)
    }

    #[inline]
    pub(super) fn u16(&mut self) -> Result<u16, Fault> {
        self.array().map(u16::from_be_bytes)
    }

    #[inline]
    pub(super) fn u32(&mut self) -> Result<u32, Fault> {
        self.array().map(u32::from_be_bytes)
    }

    #[inline]
    pub(super) fn packet_id(&mut self) -> Result<u16, Fault> {
        match self.u16()? {
            0 => Err(Fault::PACKET_ID),
            id => Ok(id),
        }
    }

    /// A variable byte integer, in as few bytes as it needs `[MQTT-1.5.5-1]`.
    #[inline]
    pub(super) fn var_int(&mut self) -> Result<u32, Fault> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let (value, used) = var_int(rest)?.ok_or(Fault::TRUNCATED)?;
        self.at += used;
        Ok(value)
    }

    #[inline]
    pub(super) fn binary(&mut self) -> Result<&'a [u8], Fault> {
        let length = self.u16()?;
        self.take(length.into())
    }

    /// A string: well-formed UTF-8 `[MQTT-1.5.4-1]` without U+0000 `[MQTT-1.5.4-2]`.
    pub(super) fn string(&mut self) -> Result<&'a [u8], Fault> {
        let bytes = self.binary()?;
        if std::str::from_utf8(bytes).is_err() {
            return Err(Fault::malformed("string is not UTF-8"));
        }
        if bytes.contains(&0) {
            return Err(Fault::malformed("string contains U+0000"));
        }
        Ok(bytes)
    }
}

/// The variable byte integer that the bytes begin with and how many bytes it takes; `None` if it goes on behind them.
#[inline]
pub(super) fn var_int(bytes: &[u8]) -> Result<Option<(u32, usize)>, Fault> {
    let mut value = 0;
    for (index, byte) in bytes.iter().take(4).enumerate() {
        value |= u32::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            if *byte == 0 && index > 0 {
                // [MQTT-1.5.5-1]
                return Err(Fault::malformed("variable byte integer is longer than needed"));
            }
            return Ok(Some((value, index + 1)));
        }
    }
    if bytes.len() >= 4 {
        return Err(Fault::malformed("variable byte integer has more than 4 bytes"));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn var_ints() {
        for (bytes, value) in [
            (&[0x00][..], 0),
            (&[0x7F], 127),
            (&[0x80, 0x01], 128),
            (&[0xFF, 0x7F], 16_383),
            (&[0x80, 0x80, 0x01], 16_384),
            (&[0xFF, 0xFF, 0xFF, 0x7F, 0xFF], 268_435_455),
        ] {
            let used = bytes.len().min(4);
            assert_eq!(var_int(bytes), Ok(Some((value, used))));
            for end in 0..used {
                assert_eq!(var_int(&bytes[..end]), Ok(None));
                assert_eq!(Reader::new(&bytes[..end], 0).var_int(), Err(Fault::TRUNCATED));
            }
        }
        for bad in [&[0x80, 0x00][..], &[0xFF, 0x80, 0x00], &[0xFF, 0xFF, 0xFF, 0x80], &[0xFF; 4]] {
            assert!(var_int(bad).is_err());
        }
    }

    #[test]
    fn strings() {
        assert_eq!(Reader::new(b"xx\0\x02abc", 2).string(), Ok(&b"ab"[..]));
        for bad in [&b""[..], b"\0", b"\0\x02a", b"\0\x01\0", b"\0\x01\xFF", b"\0\x03\xED\xA0\x80", b"\0\x02\xC0\x80"] {
            assert_eq!(Reader::new(bad, 0).string().map_err(|fault| fault.reason.0), Err(0x81));
        }
        assert_eq!(Reader::new(b"", 9).take(0), Err(Fault::TRUNCATED));
    }
}
