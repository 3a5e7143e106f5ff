#!/usr/bin/env bash
# The Developer Guide's tutorial on backups with the AWS CLI ("Backing up a table", "Restoring a
# table from a backup", "Deleting a table backup"): one line for each step, and the first
# difference ends it with status 1.
#
#     tutorial.sh AWS ENDPOINT      (AWS: the program `aws`)
set -euo pipefail

aws="$1" endpoint="$2"
table="Music-$$-$(date +%s)"
export AWS_ACCESS_KEY_ID=AKIDEXAMPLE AWS_SECRET_ACCESS_KEY=secret AWS_DEFAULT_REGION=us-east-1
export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null AWS_PAGER=
export AWS_MAX_ATTEMPTS=1

ddb() { "$aws" --endpoint-url "$endpoint" --output text dynamodb "$@"; }

differs() {
    printf 'aws %s: DIFFERS: %s\n' "$step" "$1"
    exit 1
}

# same FOUND WANTED: they must be equal.
same() { [[ "$1" == "$2" ]] || differs "'$1' instead of '$2'"; }

# refused ERROR COMMAND...: the command must fail with this error.
refused() {
    local error="$1" said
    shift
    if said="$("$@" 2>&1)"; then
        differs "$error expected, but it succeeded: $said"
    fi
    [[ "$said" == *"($error)"* ]] || differs "$error expected, but it said: $said"
}

# until_is WANTED COMMAND...: what the command prints becomes this within a minute.
until_is() {
    local wanted="$1" found='' end=$((SECONDS + 60))
    shift
    while ((SECONDS < end)); do
        found="$("$@")" || differs "$* failed"
        [[ "$found" == "$wanted" ]] && return
        sleep 0.1
    done
    differs "'$found' does not become '$wanted'"
}

begin() { step="$1" begun=$SECONDS; }
done_() { printf 'aws %s: %d s\n' "$step" $((SECONDS - begun)); }
trap 'differs "a command failed"' ERR

begin 'create-table and wait table-exists'
same "$(ddb create-table --table-name "$table" \
    --attribute-definitions AttributeName=Artist,AttributeType=S \
        AttributeName=SongTitle,AttributeType=S \
    --key-schema AttributeName=Artist,KeyType=HASH AttributeName=SongTitle,KeyType=RANGE \
    --billing-mode PAY_PER_REQUEST --query TableDescription.TableName)" "$table"
ddb wait table-exists --table-name "$table"
done_

begin 'put-item'
ddb put-item --table-name "$table" --item \
    '{"Artist":{"S":"No One You Know"},"SongTitle":{"S":"Call Me Today"},"Awards":{"N":"1"}}'
ddb put-item --table-name "$table" --item \
    '{"Artist":{"S":"Acme Band"},"SongTitle":{"S":"Happy Day"},"Awards":{"N":"10"}}'
done_

begin 'create-backup'
for try in {1..20}; do
    if arn="$(ddb create-backup --table-name "$table" --backup-name MusicBackup \
        --query BackupDetails.BackupArn 2>"/tmp/said-$$")"; then
        break
    fi
    said="$(<"/tmp/said-$$")"
    [[ "$said" == *ContinuousBackupsUnavailableException* && $try -lt 20 ]] || differs "$said"
    sleep 1
done
rm -f "/tmp/said-$$"
[[ "$arn" == arn:aws:dynamodb:*:table/"$table"/backup/* ]] || differs "ARN '$arn'"
until_is AVAILABLE ddb describe-backup --backup-arn "$arn" \
    --query BackupDescription.BackupDetails.BackupStatus
done_

begin 'list-backups and describe-backup'
same "$(ddb list-backups --table-name "$table" --query 'BackupSummaries[].BackupName')" MusicBackup
same "$(ddb describe-backup --backup-arn "$arn" \
    --query 'BackupDescription.SourceTableDetails.KeySchema[].AttributeName')" "Artist	SongTitle"
done_

begin 'delete-table and wait table-not-exists'
same "$(ddb delete-table --table-name "$table" --query TableDescription.TableName)" "$table"
ddb wait table-not-exists --table-name "$table"
refused ResourceNotFoundException ddb describe-table --table-name "$table"
done_

begin 'restore-table-from-backup'
same "$(ddb restore-table-from-backup --target-table-name "$table-restored" --backup-arn "$arn" \
    --query TableDescription.TableName)" "$table-restored"
ddb wait table-exists --table-name "$table-restored"
same "$(ddb describe-table --table-name "$table-restored" --query Table.TableStatus)" ACTIVE
done_

begin 'scan, query and get-item of the restored table'
same "$(ddb scan --table-name "$table-restored" --query 'Items[].Awards.N' | tr '\t' '\n' |
    sort -n | tr '\n' ' ')" '1 10 '
same "$(ddb query --table-name "$table-restored" --key-condition-expression 'Artist = :a' \
    --expression-attribute-values '{":a":{"S":"Acme Band"}}' \
    --query 'Items[].SongTitle.S')" 'Happy Day'
same "$(ddb get-item --table-name "$table-restored" --consistent-read --key \
    '{"Artist":{"S":"No One You Know"},"SongTitle":{"S":"Call Me Today"}}' \
    --query Item.Awards.N)" 1
done_

begin 'delete-backup'
same "$(ddb delete-backup --backup-arn "$arn" \
    --query BackupDescription.BackupDetails.BackupStatus)" DELETED
refused BackupNotFoundException ddb describe-backup --backup-arn "$arn"
same "$(ddb list-backups --table-name "$table" --query 'BackupSummaries[].BackupName')" ''
ddb delete-table --table-name "$table-restored" >/dev/null
done_
