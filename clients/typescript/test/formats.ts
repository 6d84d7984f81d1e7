// What a file is, by its first bytes.

export function formatOf(file: Buffer): string {
  const ascii = (start: number, end: number) => file.toString("latin1", start, end);
  if (ascii(1, 4) === "PNG") return "png";
  if (file.readUInt16BE(0) === 0xffd8) return "jpg";
  if (ascii(0, 4) === "RIFF" && ascii(8, 12) === "WEBP") return "webp";
  if (ascii(4, 8) === "ftyp") return ascii(8, 12) === "avif" ? "avif" : "mp4";
  if (ascii(0, 4) === "GIF8") return "gif";
  return "unknown";
}

/** The width and height that the header of a PNG says. */
export function pngSize(file: Buffer): { width: number; height: number } {
  return { width: file.readUInt32BE(16), height: file.readUInt32BE(20) };
}
