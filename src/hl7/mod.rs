//! HL7 v2: MLLP framing, message view with byte spans, character sets, escapes, acknowledgements, listener.
