/// The kind of an image file by its extension: one table for folders, archives and lists.
///
/// The content decides how a file is read. The name only decides whether to read it, and what to
/// call it otherwise.
package enum ImageFileKind: Sendable, Hashable {
  /// An image that Graft decodes.
  case readable
  /// An image of a format that Graft does not decode, such as `TGA`.
  case unreadable(format: String)

  /// `nil` for names of files other than images.
  package init?(fileName: some StringProtocol) {
    guard let dot = fileName.lastIndex(of: "."),
      let kind = Self.kinds[fileName[fileName.index(after: dot)...].lowercased()]
    else { return nil }
    self = kind
  }

  /// The supported formats, for messages.
  package static let readableFormats =
    "JPEG, PNG, WebP, BMP, PNM, GIF, TIFF, JPEG 2000, HEIC and AVIF"

  private static let readableExtensions = [
    "jpg", "jpeg", "jpe", "jfif", "jif", "pjpeg", "pjp", "png", "apng", "webp", "bmp", "dib", "ppm",
    "pgm", "pbm", "pnm", "gif", "tif", "tiff", "jp2", "j2k", "jpf", "jpx", "j2c", "jpc", "heic",
    "heif", "heics", "hif", "avif", "avifs",
  ]

  private static let unreadableExtensions = [
    "camera raw": ["dng", "cr2", "cr3", "nef", "arw", "orf", "rw2", "raf"],
    "DDS": ["dds"], "DICOM": ["dcm"], "GIMP": ["xcf"],
    "ICO": ["ico", "cur"], "JPEG XL": ["jxl"],
    "OpenEXR": ["exr"], "PAM": ["pam"], "PCX": ["pcx"], "PFM": ["pfm"], "Photoshop": ["psd"],
    "QOI": ["qoi"], "SVG": ["svg"], "TGA": ["tga"], "XPM": ["xpm"],
  ]

  private static let kinds: [String: ImageFileKind] = {
    var kinds: [String: ImageFileKind] = [:]
    for name in readableExtensions { kinds[name] = .readable }
    for (format, names) in unreadableExtensions {
      for name in names { kinds[name] = .unreadable(format: format) }
    }
    return kinds
  }()
}
