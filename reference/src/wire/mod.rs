//! AWS JSON 1.0: from the bytes of a body to a [`Request`], and from a [`Response`] or an error
//! to bytes; and the other way about, for clients.
//!
//! Each structure is one list of members (see `requests.rs` and `responses.rs`) that is read and
//! written by the same code, straight into typed values. Whatever a client sends is answered:
//! nothing here panics or recurses deeper than attribute values may nest. HTTP, its headers and
//! the limit on the size of a body are the server's business; what a request must hold beyond its
//! shape is told by [`Request::validate`].

mod body;
mod enums;
mod member;
mod reader;
mod refused;
mod requests;
mod responses;
mod structure;
mod unoffered;
mod value;
mod writer;

pub use refused::Refused;

use body::Body;
use member::Wire;
use writer::Writer;

use crate::api::{Operation, Request, Response, WireError};

/// What stands before the operation in the header `X-Amz-Target`, with a point between.
pub const TARGET_PREFIX: &str = "DynamoDB_20120810";

/// Operations of DynamoDB that this service does not have [API].
const NOT_OFFERED: [&str; 47] = [
    "BatchExecuteStatement",
    "BatchGetItem",
    "BatchWriteItem",
    "CancelBulkOperation",
    "CreateGlobalTable",
    "DeleteResourcePolicy",
    "DescribeBulkOperation",
    "DescribeContinuousBackups",
    "DescribeContributorInsights",
    "DescribeEndpoints",
    "DescribeExport",
    "DescribeGlobalTable",
    "DescribeGlobalTableSettings",
    "DescribeImport",
    "DescribeKinesisStreamingDestination",
    "DescribeLimits",
    "DescribeTableReplicaAutoScaling",
    "DescribeTimeToLive",
    "DisableKinesisStreamingDestination",
    "EnableKinesisStreamingDestination",
    "ExecuteStatement",
    "ExecuteTransaction",
    "ExportTableToPointInTime",
    "GetResourcePolicy",
    "ImportTable",
    "ListBulkOperations",
    "ListContributorInsights",
    "ListExports",
    "ListGlobalTables",
    "ListImports",
    "ListTagsOfResource",
    "PutResourcePolicy",
    "RestoreTableToPointInTime",
    "SearchVectors",
    "StartBulkPutItems",
    "TagResource",
    "TransactGetItems",
    "TransactWriteItems",
    "UntagResource",
    "UpdateContinuousBackups",
    "UpdateContributorInsights",
    "UpdateGlobalTable",
    "UpdateGlobalTableSettings",
    "UpdateKinesisStreamingDestination",
    "UpdateTable",
    "UpdateTableReplicaAutoScaling",
    "UpdateTimeToLive",
];

/// The operation that the header `X-Amz-Target` names, all of which is given.
///
/// # Errors
/// UnknownOperationException: another service, no such operation, or one that is not offered.
pub fn operation(target: &str) -> Result<Operation, Refused> {
    let Some((TARGET_PREFIX, name)) = target.split_once('.') else {
        return Err(Refused::unknown_operation());
    };
    name.parse().map_err(|()| match NOT_OFFERED.binary_search(&name) {
        Ok(_) => Refused::operation_not_offered(name),
        Err(_) => Refused::unknown_operation(),
    })
}

/// The header `X-Amz-Target` of an operation.
pub fn target(operation: Operation) -> String {
    format!("{TARGET_PREFIX}.{operation}")
}

/// Declares what is the same for every operation.
macro_rules! operations {
    ($($name:ident,)*) => {
        /// The request with this header `X-Amz-Target` and this body. Whether it is valid is not
        /// looked at: see [`Request::validate`].
        ///
        /// # Errors
        /// The operation is unknown, the body is not the JSON that it asks for, or asks for what
        /// this service does not offer.
        pub fn decode(target: &str, body: &[u8]) -> Result<Request, Refused> {
            match operation(target)? {
                $(Operation::$name => Body::read(body, Wire::read).map(Request::$name),)*
            }
        }

        /// The body of a request.
        pub fn encode_request(request: &Request) -> Vec<u8> {
            match request {
                $(Request::$name(input) => encode(input),)*
            }
        }

        /// The body of a response.
        pub fn encode_response(response: &Response) -> Vec<u8> {
            match response {
                $(Response::$name(output) => encode(output),)*
            }
        }

        /// The response of an operation that succeeded, from its body.
        ///
        /// # Errors
        /// The body is not what this service answers; another one's may lack what is demanded.
        pub fn decode_response(operation: Operation, body: &[u8]) -> Result<Response, Refused> {
            match operation {
                $(Operation::$name => Body::read(body, Wire::read).map(Response::$name),)*
            }
        }
    };
}

operations! {
    CreateTable,
    DescribeTable,
    DeleteTable,
    ListTables,
    PutItem,
    GetItem,
    UpdateItem,
    DeleteItem,
    Query,
    Scan,
    CreateBackup,
    DescribeBackup,
    ListBackups,
    DeleteBackup,
    RestoreTableFromBackup,
}

/// The body of an error of the service.
pub fn encode_error(error: &WireError) -> Vec<u8> {
    refused::wire_error(error)
}

fn encode(message: &impl Wire) -> Vec<u8> {
    let mut out = Writer::default();
    message.write(&mut out);
    out.finish()
}

#[cfg(test)]
mod tests;
