using System;
using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace Governor.Director.Persistence.Migrations
{
    /// <inheritdoc />
    public partial class NothingIsLost : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.AddColumn<Guid>(
                name: "rollback_of",
                table: "rollouts",
                type: "uuid",
                nullable: true);

            migrationBuilder.AddColumn<Guid>(
                name: "rolled_back_by",
                table: "rollouts",
                type: "uuid",
                nullable: true);

            migrationBuilder.AddColumn<int>(
                name: "former_revision",
                table: "rollout_targets",
                type: "integer",
                nullable: true);

            migrationBuilder.AddColumn<bool>(
                name: "given_back",
                table: "rollout_targets",
                type: "boolean",
                nullable: false,
                defaultValue: false);

            migrationBuilder.CreateTable(
                name: "commands",
                columns: table => new
                {
                    tenant = table.Column<string>(type: "character varying(63)", maxLength: 63, nullable: false, collation: "C"),
                    command_id = table.Column<string>(type: "character varying(200)", maxLength: 200, nullable: false, collation: "C"),
                    request_hash = table.Column<string>(type: "character varying(64)", maxLength: 64, nullable: false, collation: "C"),
                    answer = table.Column<string>(type: "text", nullable: true, collation: "C"),
                    at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_commands", x => new { x.tenant, x.command_id });
                });

            migrationBuilder.CreateTable(
                name: "dead_letters",
                columns: table => new
                {
                    dead_letter_id = table.Column<string>(type: "character varying(64)", maxLength: 64, nullable: false, collation: "C"),
                    source = table.Column<string>(type: "character varying(255)", maxLength: 255, nullable: false, collation: "C"),
                    reason = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    exception_type = table.Column<string>(type: "text", nullable: true, collation: "C"),
                    message_id = table.Column<string>(type: "text", nullable: true, collation: "C"),
                    content_type = table.Column<string>(type: "text", nullable: true, collation: "C"),
                    headers = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    body = table.Column<byte[]>(type: "bytea", nullable: true),
                    dead_lettered_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_dead_letters", x => x.dead_letter_id);
                });

            migrationBuilder.CreateTable(
                name: "drift_runs",
                columns: table => new
                {
                    run_id = table.Column<Guid>(type: "uuid", nullable: false),
                    scheduled_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: true),
                    started_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false),
                    finished_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: true),
                    findings = table.Column<int>(type: "integer", nullable: false),
                    sent = table.Column<int>(type: "integer", nullable: false),
                    error = table.Column<string>(type: "text", nullable: true, collation: "C")
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_drift_runs", x => x.run_id);
                });

            migrationBuilder.CreateTable(
                name: "rejections",
                columns: table => new
                {
                    runtime_id = table.Column<string>(type: "character varying(63)", maxLength: 63, nullable: false, collation: "C"),
                    digest = table.Column<string>(type: "character varying(64)", maxLength: 64, nullable: false, collation: "C"),
                    rejected_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_rejections", x => new { x.runtime_id, x.digest });
                });

            migrationBuilder.CreateTable(
                name: "restorations",
                columns: table => new
                {
                    base_generation = table.Column<long>(type: "bigint", nullable: false),
                    restored_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_restorations", x => x.base_generation);
                });

            migrationBuilder.CreateIndex(
                name: "ix_commands_at",
                table: "commands",
                column: "at");

            migrationBuilder.CreateIndex(
                name: "ix_dead_letters_dead_lettered_at_dead_letter_id",
                table: "dead_letters",
                columns: new[] { "dead_lettered_at", "dead_letter_id" });

            migrationBuilder.CreateIndex(
                name: "ix_drift_runs_scheduled_at",
                table: "drift_runs",
                column: "scheduled_at",
                unique: true);

            migrationBuilder.CreateIndex(
                name: "ix_drift_runs_started_at",
                table: "drift_runs",
                column: "started_at");
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropTable(
                name: "commands");

            migrationBuilder.DropTable(
                name: "dead_letters");

            migrationBuilder.DropTable(
                name: "drift_runs");

            migrationBuilder.DropTable(
                name: "rejections");

            migrationBuilder.DropTable(
                name: "restorations");

            migrationBuilder.DropColumn(
                name: "rollback_of",
                table: "rollouts");

            migrationBuilder.DropColumn(
                name: "rolled_back_by",
                table: "rollouts");

            migrationBuilder.DropColumn(
                name: "former_revision",
                table: "rollout_targets");

            migrationBuilder.DropColumn(
                name: "given_back",
                table: "rollout_targets");
        }
    }
}
