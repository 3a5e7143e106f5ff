//! Request routers: from a request of the API to the nodes that can answer it.
//!
//! Every node has one. It checks a request's shape, finds the leader of the group concerned, and
//! says in the API's words what came of it. It tries again only where it is certain that nothing
//! was done; otherwise the answer is InternalServerError, and the outcome is unknown.

mod backups;
mod describe;
mod items;
mod query;
mod reach;
mod tables;
mod update;

pub use reach::Cache;

use crate::api::{ApiError, Request, Response};
use crate::env::Env;
use crate::item::ValidationError;
use crate::mutants::Mutants;
use crate::node::Shell;
use crate::partition::RequestId;

/// Answers one request. `id` is the client's number for it.
///
/// # Errors
/// What the operation may answer instead of succeeding.
pub async fn route<E: Env, M: Mutants>(
    shell: &Shell<E, M>,
    id: u64,
    request: Request,
) -> Result<Response, ApiError> {
    let id = RequestId(id);
    match request {
        Request::CreateTable(it) => Ok(Response::CreateTable(tables::create(shell, it).await?)),
        Request::DescribeTable(it) => {
            Ok(Response::DescribeTable(tables::describe(shell, it).await?))
        }
        Request::DeleteTable(it) => Ok(Response::DeleteTable(tables::delete(shell, it).await?)),
        Request::ListTables(it) => Ok(Response::ListTables(tables::list(shell, it).await?)),
        Request::PutItem(it) => Ok(Response::PutItem(items::put(shell, id, it).await?)),
        Request::GetItem(it) => Ok(Response::GetItem(items::get(shell, it).await?)),
        Request::UpdateItem(it) => Ok(Response::UpdateItem(update::update(shell, id, it).await?)),
        Request::DeleteItem(it) => Ok(Response::DeleteItem(items::delete(shell, id, it).await?)),
        Request::Query(it) => Ok(Response::Query(query::query(shell, it).await?)),
        Request::Scan(it) => Ok(Response::Scan(items::scan(shell, it).await?)),
        Request::CreateBackup(it) => Ok(Response::CreateBackup(backups::create(shell, it).await?)),
        Request::DescribeBackup(it) => {
            Ok(Response::DescribeBackup(backups::describe(shell, it).await?))
        }
        Request::ListBackups(it) => Ok(Response::ListBackups(backups::list(shell, it).await?)),
        Request::DeleteBackup(it) => Ok(Response::DeleteBackup(backups::delete(shell, it).await?)),
        Request::RestoreTableFromBackup(it) => {
            Ok(Response::RestoreTableFromBackup(backups::restore(shell, it).await?))
        }
    }
}

/// Why a request could not be carried to where it belongs.
#[derive(Debug)]
enum Failure {
    /// The group could not be reached, or did not answer: the outcome of a write is unknown.
    Unreachable(String),
    /// The table is not there, or not open.
    NoTable,
    /// The request is wrong in itself.
    Invalid(ValidationError),
}

/// Turns a [`Failure`] into the error type of one operation.
macro_rules! failure_into {
    ($($error:ty: $no_table:expr),* $(,)?) => {
        $(impl From<Failure> for $error {
            fn from(failure: Failure) -> Self {
                match failure {
                    Failure::Unreachable(why) => Self::InternalServerError(why),
                    Failure::NoTable => $no_table,
                    Failure::Invalid(why) => Self::Validation(why),
                }
            }
        })*
    };
}

failure_into! {
    crate::api::PutItemError: Self::ResourceNotFound,
    crate::api::GetItemError: Self::ResourceNotFound,
    crate::api::UpdateItemError: Self::ResourceNotFound,
    crate::api::DeleteItemError: Self::ResourceNotFound,
    crate::api::QueryError: Self::ResourceNotFound,
    crate::api::ScanError: Self::ResourceNotFound,
}
