/// Where the weights of a file lie: what is left of it once libhdf5 has done its part.
///
/// It crosses from the process that runs libhdf5 to the one that uses the weights, and is checked
/// there.
struct WeightsListing: Codable, Sendable {
  struct Layer: Codable, Sendable {
    var name: String
    var path: String
    var weights: [Weight] = []
  }

  struct Weight: Codable, Sendable {
    var name: String
    /// The number of an ``ElementType``.
    var elementType: Int32
    var shape: [Int]
    var place: Place
  }

  enum Place: Codable, Sendable {
    /// In the file itself, to be mapped.
    case file(offset: Int, isBigEndian: Bool)
    /// Among the decoded elements, which are little-endian.
    case decoded(offset: Int)
  }

  var layers: [Layer] = []
  /// Whether the layers' names are those of the model; else they are made of the layers' classes.
  var hasStoredNames = true
  var decodedByteCount = 0
}
