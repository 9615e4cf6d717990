import Foundation
import GraftData
import GraftVision

/// A folder that is there as long as the object lives.
final class TemporaryFolder {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "graft-data-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// Writes a file and the folders it lies in.
  @discardableResult
  func write(_ name: String, _ bytes: [UInt8]) throws -> String {
    let file = "\(path)/\(name)"
    try FileManager.default.createDirectory(
      atPath: (file as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
    try Data(bytes).write(to: URL(fileURLWithPath: file))
    return file
  }

  @discardableResult
  func write(_ name: String, text: String) throws -> String { try write(name, Array(text.utf8)) }

  func makeFolder(_ name: String) throws {
    try FileManager.default.createDirectory(
      atPath: "\(path)/\(name)", withIntermediateDirectories: true)
  }
}

/// Pictures for tests.
enum TestPicture {
  /// A BMP picture of 2x1 pixels with the given red.
  static func bmp(red: UInt8 = 200) -> [UInt8] {
    let header: [UInt8] =
      [0x42, 0x4d, 62, 0, 0, 0, 0, 0, 0, 0, 54, 0, 0, 0, 40, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0]
      + [1, 0, 24, 0] + [UInt8](repeating: 0, count: 24)
    return header + [10, 20, red, 10, 20, red, 0, 0]
  }
}

/// What a dataset holds, for comparing: the class and the last parts of the path of each picture.
extension PictureDataset {
  func names(_ items: [Item]) -> [String] {
    items.map { item in
      "\(classNames[item.label]) \(item.picture.place.split(separator: "/").last ?? "")"
    }
  }
}
