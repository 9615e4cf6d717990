/// The kind of a file by its content, for messages when another kind was expected.
package struct FileKind: Sendable, Equatable {
  package enum Family: Sendable {
    case model, image, media, archive, data, text, folder
    /// A stand-in for the file: a pointer, a web page, or nothing.
    case placeholder
  }

  /// With an article: "a PyTorch checkpoint".
  package let name: String
  package let family: Family
  /// What to do with such a file, if anything.
  package let advice: String?

  fileprivate init(_ name: String, _ family: Family, _ advice: String? = nil) {
    self.name = name
    self.family = family
    self.advice = advice
  }

  /// The error for a file of this kind where another was expected.
  ///
  /// - Parameters:
  ///   - expected: the expected kind, with an article: "an ONNX model"
  ///   - advice: what to do, for kinds without their own advice
  package func error(expected: String, advice: String) -> GraftError {
    // No input can be a folder.
    GraftError(
      family == .folder ? .noInput : .badData, "is \(name), not \(expected)",
      hint: self.advice ?? advice)
  }

  /// Whether this is HDF5, Keras's format for weights.
  package var isHDF5: Bool { self == FileKind.hdf5 }

  package static let numPyArray = FileKind("a NumPy array", .data)
  package static let numPyArchive = FileKind("a NumPy archive (.npz)", .data)
  package static let zipArchive = FileKind("a ZIP archive", .archive, unpackAdvice)

  // MARK: Recognizing

  /// The kind of a file or folder; `nil` if it is unknown or cannot be read.
  package static func recognize(path: String) -> FileKind? {
    guard let status = FileSystem.status(of: path) else { return nil }
    if status.st_mode & S_IFMT == S_IFDIR { return folder(path) }
    guard status.st_mode & S_IFMT == S_IFREG,
      let file = try? InputDescriptor(path),
      let storage = try? Storage.mappedFile(file, path: path)
    else { return nil }
    var byte: UInt8 = 0
    if storage.byteCount == 0, read(file.number, &byte, 1) == 1 { return sizeless }
    return recognize(storage)
  }

  /// In `/proc`, for example.
  private static let sizeless = FileKind(
    "a file that the system makes up and gives no size", .placeholder,
    "Copy its content to a file, and use that")

  /// Like ``recognize(path:)``, for a whole file in memory.
  package static func recognize(_ storage: Storage) -> FileKind? {
    defer { withExtendedLifetime(storage) {} }
    return recognize(
      UnsafeRawBufferPointer(start: storage.baseAddress, count: storage.byteCount))
  }

  /// Like ``recognize(path:)``, for a whole file in memory.
  package static func recognize(_ bytes: UnsafeRawBufferPointer) -> FileKind? {
    if bytes.isEmpty { return FileKind("an empty file", .placeholder, "Download or copy it again") }
    if let match = signatures.first(where: { $0.matches(bytes) }) { return match.kind }
    if hdf5Superblock(in: bytes) != nil { return hdf5 }
    return zip(bytes) ?? isoMedia(bytes) ?? riff(bytes) ?? bitmap(bytes) ?? safeTensors(bytes)
      ?? protocolBuffer(bytes) ?? text(bytes)
  }
}

// MARK: - Signatures

extension FileKind {
  private struct Signature {
    let offset: Int
    let bytes: [UInt8]
    let kind: FileKind

    init(_ bytes: [UInt8], at offset: Int = 0, _ kind: FileKind) {
      self.offset = offset
      self.bytes = bytes
      self.kind = kind
    }

    init(_ text: String, at offset: Int = 0, _ kind: FileKind) {
      self.init(Array(text.utf8), at: offset, kind)
    }

    func matches(_ file: UnsafeRawBufferPointer) -> Bool {
      file.count - offset >= bytes.count && file[offset...].starts(with: bytes)
    }
  }

  private static let exportAdvice =
    "Load it in PyTorch and write it with torch.onnx.export(model, example, \"model.onnx\")"
  private static let unpackAdvice = "Unpack it and use the file inside"
  private static let jsonAdvice =
    "Convert it with Python: onnx.save(onnx.load(\"FILE\", format=\"json\"), \"model.onnx\")"
  private static let textAdvice =
    "Convert it with Python: onnx.save(onnx.load(\"FILE\", format=\"textproto\"), \"model.onnx\")"

  private static let hdf5 = FileKind("an HDF5 file", .model)
  private static let pyTorch = FileKind("a PyTorch checkpoint", .model, exportAdvice)
  private static let pickle = FileKind(
    "a Python pickle", .data, "Load it in Python and save arrays with numpy.savez")
  private static let tiff = FileKind("a TIFF image", .image)

  /// Kinds with a signature at a fixed offset.
  private static let signatures: [Signature] = [
    // torch.save before version 1.6: a pickle that starts with a magic number.
    Signature(
      [0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19],
      pyTorch),
    Signature(
      "TFL3", at: 4,
      FileKind(
        "a TensorFlow Lite model", .model,
        "Convert it with `python -m tf2onnx.convert --tflite FILE --output model.onnx`")),
    Signature(
      "ORTM", at: 4,
      FileKind(
        "an ONNX model in the .ort format of onnxruntime", .model,
        "Use the .onnx file that it was made from")),
    Signature(
      "GGUF", FileKind("a GGUF model", .model, "Export the original model to ONNX instead")),
    Signature(
      "lmgg", FileKind("a GGML model", .model, "Export the original model to ONNX instead")),
    Signature(
      "ftrt",
      FileKind("a TensorRT engine", .model, "Use the ONNX model that it was made from")),
    Signature(
      "ptrt",
      FileKind("a TensorRT engine", .model, "Use the ONNX model that it was made from")),
    Signature(
      [0x12, 0x01, 0, 0, 0, 0, 0, 0],
      FileKind("a file of MXNet parameters", .model, "Export the model with mx.onnx.export_model")),
    Signature([0x93] + Array("NUMPY".utf8), numPyArray),
    Signature("PAR1", FileKind("a Parquet table", .data)),
    Signature("ARROW1", FileKind("an Arrow table", .data)),
    Signature("MATLAB 5.0", FileKind("a MATLAB file", .data)),
    Signature("SQLite format 3\0", FileKind("an SQLite database", .data)),
    Signature([0xff, 0xd8, 0xff], FileKind("a JPEG image", .image)),
    Signature([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a], FileKind("a PNG image", .image)),
    Signature("GIF87a", FileKind("a GIF image", .image)),
    Signature("GIF89a", FileKind("a GIF image", .image)),
    Signature([0x49, 0x49, 0x2a, 0], tiff),
    Signature([0x4d, 0x4d, 0, 0x2a], tiff),
    Signature([0x49, 0x49, 0x2b, 0], tiff),
    Signature([0x4d, 0x4d, 0, 0x2b], tiff),
    Signature([0xff, 0x0a], FileKind("a JPEG XL image", .image)),
    Signature(
      [0, 0, 0, 0x0c, 0x4a, 0x58, 0x4c, 0x20, 0x0d, 0x0a, 0x87, 0x0a],
      FileKind("a JPEG XL image", .image)),
    Signature(
      [0, 0, 0, 0x0c, 0x6a, 0x50, 0x20, 0x20, 0x0d, 0x0a, 0x87, 0x0a],
      FileKind("a JPEG 2000 image", .image)),
    Signature([0xff, 0x4f, 0xff, 0x51], FileKind("a JPEG 2000 image", .image)),
    Signature("8BPS", FileKind("a Photoshop image", .image)),
    Signature([0x76, 0x2f, 0x31, 0x01], FileKind("an OpenEXR image", .image)),
    Signature("#?RADIANCE", FileKind("a Radiance HDR image", .image)),
    Signature("qoif", FileKind("a QOI image", .image)),
    Signature("%PDF-", FileKind("a PDF document", .text)),
    Signature([0x1a, 0x45, 0xdf, 0xa3], FileKind("a Matroska or WebM video", .media)),
    Signature("OggS", FileKind("an Ogg file", .media)),
    Signature([0x1f, 0x8b], FileKind("a gzip archive", .archive, unpackAdvice)),
    Signature("BZh", FileKind("a bzip2 archive", .archive, unpackAdvice)),
    Signature(
      [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0], FileKind("an xz archive", .archive, unpackAdvice)),
    Signature(
      [0x28, 0xb5, 0x2f, 0xfd], FileKind("a Zstandard archive", .archive, unpackAdvice)),
    Signature(
      [0x37, 0x7a, 0xbc, 0xaf, 0x27, 0x1c], FileKind("a 7z archive", .archive, unpackAdvice)),
    Signature("Rar!", FileKind("a RAR archive", .archive, unpackAdvice)),
    Signature("ustar", at: 257, FileKind("a tar archive", .archive, unpackAdvice)),
    Signature([0x7f, 0x45, 0x4c, 0x46], FileKind("a program or library (ELF)", .data)),
    Signature([0x80, 0x02, 0x7d], pickle),
    Signature([0x80, 0x02, 0x63], pickle),
    Signature([0x80, 0x02, 0x5d], pickle),
    Signature([0x80, 0x03], pickle),
    Signature([0x80, 0x04, 0x95], pickle),
    Signature([0x80, 0x05, 0x95], pickle),
  ]
}

// MARK: - Kinds that need a look inside

extension FileKind {
  private static let hdf5Signature: [UInt8] = [0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a]

  /// The offset of the superblock of an HDF5 file, which is 0, 512, 1024 and so on after a user
  /// block; `nil` if the bytes are not an HDF5 file.
  package static func hdf5Superblock(in bytes: UnsafeRawBufferPointer) -> Int? {
    var offset = 0
    while offset <= bytes.count - hdf5Signature.count {
      if bytes[offset...].starts(with: hdf5Signature) { return offset }
      offset = offset == 0 ? 512 : offset * 2
    }
    return nil
  }

  /// The names in an archive are uncompressed at its end, in the central directory, whose last part
  /// is enough.
  private static func zip(_ bytes: UnsafeRawBufferPointer) -> FileKind? {
    guard
      bytes.starts(with: [0x50, 0x4b, 0x03, 0x04]) || bytes.starts(with: [0x50, 0x4b, 0x05, 0x06])
    else { return nil }
    let end = Slice(bytes.suffix(1 << 16))
    func has(_ name: String) -> Bool { end.contains(name) }
    if has("model.weights.h5") || has("config.json") && has("metadata.json") {
      return FileKind(
        "a Keras 3 archive (.keras)", .model,
        "Load it in Keras and write ONNX with model.export(\"model.onnx\", format=\"onnx\")")
    }
    if has("constants.pkl") && has("code/") {
      return FileKind("a TorchScript archive", .model, exportAdvice)
    }
    if has("data.pkl") { return pyTorch }
    if has("Data/com.apple.CoreML") || has(".mlmodel") {
      return FileKind("a Core ML package", .model, "Export the original model to ONNX instead")
    }
    if has(".npy") { return numPyArchive }
    return zipArchive
  }

  /// Files of boxes: HEIC, AVIF, MP4.
  private static func isoMedia(_ bytes: UnsafeRawBufferPointer) -> FileKind? {
    guard bytes.count >= 12, bytes[4..<8].elementsEqual("ftyp".utf8) else { return nil }
    switch String(decoding: bytes[8..<12], as: UTF8.self) {
    case "avif", "avis": return FileKind("an AVIF image", .image)
    case "heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "msf1":
      return FileKind("an HEIC image", .image)
    default: return FileKind("an MP4 or QuickTime video", .media)
    }
  }

  private static func riff(_ bytes: UnsafeRawBufferPointer) -> FileKind? {
    guard bytes.count >= 12, bytes.starts(with: "RIFF".utf8) else { return nil }
    switch String(decoding: bytes[8..<12], as: UTF8.self) {
    case "WEBP": return FileKind("a WebP image", .image)
    case "WAVE": return FileKind("a WAV sound", .media)
    default: return FileKind("an AVI video", .media)
    }
  }

  /// Two letters are too short a signature; the header size must be plausible too.
  private static func bitmap(_ bytes: UnsafeRawBufferPointer) -> FileKind? {
    guard bytes.count >= 18, bytes.starts(with: "BM".utf8),
      [12, 16, 40, 52, 56, 64, 108, 124].contains(bytes[14]),
      bytes[15..<18].allSatisfy({ $0 == 0 })
    else { return nil }
    return FileKind("a BMP image", .image)
  }

  /// A JSON header preceded by its length.
  private static func safeTensors(_ bytes: UnsafeRawBufferPointer) -> FileKind? {
    guard bytes.count >= 10, bytes[8] == UInt8(ascii: "{") else { return nil }
    let length = bytes.loadUnaligned(as: UInt64.self).littleEndian
    guard length >= 2, length <= UInt64(bytes.count - 8),
      [0x7d, 0x20].contains(bytes[8 + Int(length) - 1])
    else { return nil }
    return FileKind(
      "a SafeTensors file: weights without their network", .model,
      "Load it with the code of its network and export that to ONNX")
  }

  /// Protocol buffers have no signature; their first fields distinguish them.
  private static func protocolBuffer(_ bytes: UnsafeRawBufferPointer) -> FileKind? {
    let file = Slice(bytes[...])
    // SavedModel: schema version 1, then a MetaGraphDef that starts with a message.
    if bytes.starts(with: [0x08, 0x01]), file.field(0x12, at: 2)?.first == 0x0a {
      return savedModel("a TensorFlow SavedModel", "its folder")
    }
    // Core ML: a version, then a description that starts with the name of an input.
    if bytes.first == 0x08, bytes.count > 2, bytes[1] < 32,
      let input = file.field(0x12, at: 2)?.field(0x0a, at: 0), let name = input.field(0x0a, at: 0),
      name.isPrintable
    {
      return FileKind("a Core ML model", .model, "Export the original model to ONNX instead")
    }
    guard let first = file.field(0x0a, at: 0) else { return nil }
    // GraphDef: nodes, each with its name and the name of its operator.
    if let name = first.field(0x0a, at: 0), name.isPrintable,
      let operation = first.field(0x12, at: name.end - first.start), operation.isPrintable
    {
      return FileKind(
        "a frozen TensorFlow graph", .model,
        "Convert it with `python -m tf2onnx.convert --graphdef FILE --inputs … --outputs … "
          + "--output model.onnx`")
    }
    // Caffe: a name, then layers.
    if first.isPrintable, bytes.count > first.end + 1,
      bytes[first.end...].starts(with: [0xa2, 0x06]) || bytes[first.end] == 0x12
    {
      return FileKind("a Caffe model", .model, "Export the original model to ONNX instead")
    }
    return nil
  }

  private static func text(_ bytes: UnsafeRawBufferPointer) -> FileKind? {
    var start = Slice(bytes.prefix(4096))
    if bytes.starts(with: [0xef, 0xbb, 0xbf]) { start = Slice(bytes.prefix(4096).dropFirst(3)) }
    guard start.isText else { return nil }
    let text = String(decoding: start.bytes, as: UTF8.self).trimmingPrefix { $0.isWhitespace }
    let lowercased = text.prefix(64).lowercased()
    func has(_ word: String) -> Bool { start.contains(word) }
    if text.hasPrefix("version https://git-lfs.github.com/spec/") {
      return FileKind(
        "a Git LFS pointer", .placeholder,
        "Fetch the file with `git lfs pull`, or download it directly")
    }
    if lowercased.hasPrefix("<!doctype html") || lowercased.hasPrefix("<html") {
      return FileKind(
        "an HTML page", .placeholder,
        "The link led to a web page; download the file itself")
    }
    if has("<svg") { return FileKind("an SVG drawing", .image) }
    if lowercased.hasPrefix("<?xml") || lowercased.hasPrefix("<net") {
      return has("<net")
        ? FileKind("an OpenVINO model", .model, "Use the original model as ONNX")
        : FileKind("an XML file", .text)
    }
    if text.hasPrefix("{") { return json(start) }
    if text.hasPrefix("<"), has("ir_version") {
      return FileKind(
        "an ONNX model in ONNX's text form", .model,
        "Convert it with Python: onnx.save(onnx.load(\"FILE\", format=\"onnxtxt\"), \"model.onnx\")"
      )
    }
    if text.hasPrefix("ir_version") {
      return FileKind("an ONNX model in protocol buffer text format", .model, textAdvice)
    }
    if text.hasPrefix("7767517") {
      return FileKind("an ncnn model", .model, "Use the original model as ONNX")
    }
    if text.hasPrefix("layer {") || text.hasPrefix("name:") && has("layer") {
      return FileKind(
        "a Caffe network without weights", .model, "Export the original model to ONNX instead")
    }
    if text.hasPrefix("node {") {
      return FileKind("a TensorFlow graph as text", .model, "Convert it with tf2onnx")
    }
    return FileKind("a text file", .text)
  }

  private static func json(_ start: Slice) -> FileKind {
    func has(_ key: String) -> Bool { start.contains("\"\(key)\"") }
    if has("irVersion") || has("ir_version") || has("opsetImport") {
      return FileKind("an ONNX model as JSON", .model, jsonAdvice)
    }
    if has("modelTopology") || has("weightsManifest") {
      return FileKind(
        "a TensorFlow.js model", .model,
        "Convert it with `python -m tf2onnx.convert --tfjs FILE --output model.onnx`")
    }
    if has("class_name") && has("config") {
      return FileKind(
        "the architecture of a Keras model, without weights", .model,
        "Load the model in Keras and write ONNX with model.export(\"model.onnx\", format=\"onnx\")")
    }
    return FileKind("a JSON file", .text)
  }
}

// MARK: - Folders

extension FileKind {
  private static func savedModel(_ name: String, _ folder: String) -> FileKind {
    FileKind(
      name, .model,
      "Convert \(folder) with `python -m tf2onnx.convert --saved-model FOLDER --output model.onnx`")
  }

  private static func folder(_ path: String) -> FileKind {
    func has(_ name: String) -> Bool { FileSystem.exists("\(path)/\(name)") }
    if has("saved_model.pb") || has("saved_model.pbtxt") {
      return savedModel("the folder of a TensorFlow SavedModel", "it")
    }
    if has("Data/com.apple.CoreML") {
      return FileKind("a Core ML package", .model, "Export the original model to ONNX instead")
    }
    if has("model.onnx") {
      return FileKind("a folder", .folder, "Use the file in it: \(path)/model.onnx")
    }
    if has("model.weights.h5") && has("config.json") {
      return FileKind(
        "an unpacked Keras 3 archive", .model,
        "Load the model in Keras and write ONNX with model.export(\"model.onnx\", format=\"onnx\")")
    }
    if has("config.json") {
      let weights = ["model.safetensors", "pytorch_model.bin", "tf_model.h5"]
      if weights.contains(where: has) {
        return FileKind(
          "the folder of a Hugging Face model", .model,
          "Export it with `optimum-cli export onnx --model FOLDER OUTPUT`")
      }
    }
    return FileKind("a folder", .folder)
  }
}

// MARK: - Slices

/// Untrusted bytes of a file; access beyond them gives `nil`.
private struct Slice {
  let bytes: UnsafeRawBufferPointer
  /// The offset of the bytes in the file.
  let start: Int
  var end: Int { start + bytes.count }

  init(_ slice: Swift.Slice<UnsafeRawBufferPointer>, offset: Int = 0) {
    bytes = UnsafeRawBufferPointer(rebasing: slice)
    start = offset + slice.startIndex
  }

  var first: UInt8? { bytes.first }

  /// A field of a message at `position`: `key`, a length and that many bytes.
  func field(_ key: UInt8, at position: Int) -> Slice? {
    guard position >= 0, position < bytes.count, bytes[position] == key else { return nil }
    var (length, shift, next) = (0, 0, position + 1)
    while next < bytes.count, shift < 35 {
      let byte = bytes[next]
      next += 1
      length |= Int(byte & 0x7f) << shift
      shift += 7
      guard byte < 0x80 else { continue }
      guard length <= bytes.count - next else { return nil }
      return Slice(bytes[next..<next + length], offset: start)
    }
    return nil
  }

  /// Whether this could be a name: non-empty printable ASCII.
  var isPrintable: Bool { !bytes.isEmpty && bytes.allSatisfy { $0 > 0x20 && $0 < 0x7f } }

  /// Whether this could be ASCII or UTF-8 text, possibly truncated.
  var isText: Bool {
    guard bytes.allSatisfy({ $0 >= 0x20 && $0 != 0x7f || (0x09...0x0d).contains($0) }) else {
      return false
    }
    var whole = bytes[...]
    while let last = whole.last, last & 0xc0 == 0x80 { whole.removeLast() }
    if let last = whole.last, last >= 0xc0 { whole.removeLast() }
    return String(validating: whole, as: UTF8.self) != nil
  }

  func contains(_ text: String) -> Bool { bytes.contains(bytesOf: text) }
}

extension UnsafeRawBufferPointer {
  /// Whether the bytes of `text` occur anywhere.
  package func contains(bytesOf text: String) -> Bool {
    let pattern = Array(text.utf8)
    guard let first = pattern.first, var position = baseAddress else { return pattern.isEmpty }
    let end = position + count
    while end - position >= pattern.count,
      let found = memchr(position, Int32(first), end - position - pattern.count + 1)
    {
      if memcmp(found, pattern, pattern.count) == 0 { return true }
      position = UnsafeRawPointer(found) + 1
    }
    return false
  }
}
