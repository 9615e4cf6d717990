/// The location of one tensor's elements in a scanned file.
struct TensorPayload {
  /// The typed fields of `TensorProto`, by number.
  enum Field: Int {
    case float = 4
    case int32 = 5
    case int64 = 7
    case double = 10
    case uint64 = 11

    var fieldType: WireReader.FieldType {
      switch self {
      case .float: .fixed32
      case .double: .fixed64
      case .int32, .int64, .uint64: .varint
      }
    }
  }

  struct Piece {
    let field: Field
    var range: Range<Int>
    /// Whether the elements are contiguous; if not, each has its key before it.
    let isPacked: Bool
  }

  /// `raw_data`, which takes precedence over the other fields.
  var raw: Range<Int>?
  var pieces: [Piece] = []

  var isEmpty: Bool { raw == nil && pieces.isEmpty }

  /// Appends elements; unpacked ones join the piece right before them.
  mutating func append(_ piece: Piece, keyStart: Int) {
    if !piece.isPacked, let last = pieces.last, !last.isPacked, last.field == piece.field,
      last.range.upperBound == keyStart
    {
      pieces[pieces.count - 1].range = last.range.lowerBound..<piece.range.upperBound
    } else {
      pieces.append(
        Piece(
          field: piece.field,
          range: piece.isPacked ? piece.range : keyStart..<piece.range.upperBound,
          isPacked: piece.isPacked))
    }
  }
}
