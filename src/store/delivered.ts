/** How far guaranteed delivery has come. Saved in batches: an entry sent twice is allowed, a disk write for each is not. */

const every = 16; // entries: what a killed process may send a second time
const after = 1000; // ms

export class DeliveredMark {
  private value = 0;
  private saved = 0;
  private timer: NodeJS.Timeout | null = null;

  /** `write` puts the mark into the file, and throws where the disk refuses. */
  constructor(private readonly write: (upTo: number) => void) {}

  /** What the file says. */
  read(upTo: number): void {
    this.value = upTo;
    this.saved = upTo;
  }

  get upTo(): number {
    return this.value;
  }

  /** Throws what `write` throws. */
  move(upTo: number): void {
    this.value = Math.max(this.value, upTo);
    if (this.value - this.saved >= every) this.save();
    else if (this.value > this.saved) {
      this.timer ??= setTimeout(() => {
        try {
          this.save();
        } catch {
          // disk full or failing: the mark is saved with a later one, the commits tell of the disk
        }
      }, after).unref();
    }
  }

  /** Throws what `write` throws; no timer is left. */
  save(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    if (this.value === this.saved) return;
    const upTo = this.value;
    this.write(upTo);
    this.saved = upTo;
  }
}
