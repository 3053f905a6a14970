/**
 * Follows the packet borders of an MQTT byte stream (MQTT 3.1.1, section 2.2: one type byte, then the remaining length in at
 * most four bytes of seven bits each, lowest first) without looking into the packets.
 */
export class FrameMeter {
  private inHeader = false; // the type byte was seen, the length is being read
  private length = 0;
  private shift = 0;
  private rest = 0; // bytes of the current packet still to come

  constructor(private readonly maxBytes: number) {}

  /** False once a packet announces more than the limit, or a length of more than four bytes. */
  take(chunk: Buffer): boolean {
    let at = 0;
    while (at < chunk.length) {
      if (this.rest > 0) {
        const step = Math.min(this.rest, chunk.length - at);
        this.rest -= step;
        at += step;
        continue;
      }
      const byte = chunk.readUInt8(at++);
      if (!this.inHeader) {
        this.inHeader = true;
        this.length = 0;
        this.shift = 0;
        continue;
      }
      this.length += (byte & 0x7f) * 2 ** this.shift;
      this.shift += 7;
      if (this.length > this.maxBytes) return false;
      if (byte < 0x80) {
        this.rest = this.length;
        this.inHeader = false;
      } else if (this.shift >= 28) return false;
    }
    return true;
  }
}
