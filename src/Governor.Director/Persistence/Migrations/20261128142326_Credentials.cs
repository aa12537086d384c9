using System;
using Microsoft.EntityFrameworkCore.Migrations;
using Npgsql.EntityFrameworkCore.PostgreSQL.Metadata;

#nullable disable

namespace Governor.Director.Persistence.Migrations
{
    /// <inheritdoc />
    public partial class Credentials : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.RenameColumn(name: "configuration", table: "rollouts", newName: "item");
            migrationBuilder.AlterColumn<string>(
                name: "item", table: "rollouts", type: "character varying(74)", maxLength: 74, nullable: false, collation: "C",
                oldClrType: typeof(string), oldType: "character varying(63)", oldMaxLength: 63, oldCollation: "C");
            migrationBuilder.RenameColumn(name: "configuration", table: "report_items", newName: "item");
            migrationBuilder.AlterColumn<string>(
                name: "item", table: "report_items", type: "character varying(74)", maxLength: 74, nullable: false, collation: "C",
                oldClrType: typeof(string), oldType: "character varying(63)", oldMaxLength: 63, oldCollation: "C");
            migrationBuilder.RenameColumn(name: "configuration", table: "drift_findings", newName: "item");
            migrationBuilder.AlterColumn<string>(
                name: "item", table: "drift_findings", type: "character varying(74)", maxLength: 74, nullable: false, collation: "C",
                oldClrType: typeof(string), oldType: "character varying(63)", oldMaxLength: 63, oldCollation: "C");
            migrationBuilder.RenameColumn(name: "configuration", table: "assignments", newName: "item");
            migrationBuilder.AlterColumn<string>(
                name: "item", table: "assignments", type: "character varying(74)", maxLength: 74, nullable: false, collation: "C",
                oldClrType: typeof(string), oldType: "character varying(63)", oldMaxLength: 63, oldCollation: "C");
            migrationBuilder.RenameIndex(
                name: "ix_rollouts_tenant_configuration_revision", table: "rollouts", newName: "ix_rollouts_tenant_item_revision");
            migrationBuilder.RenameIndex(name: "ix_assignments_configuration", table: "assignments", newName: "ix_assignments_item");

            migrationBuilder.AddColumn<bool>(
                name: "key_refused",
                table: "runtimes",
                type: "boolean",
                nullable: false,
                defaultValue: false);

            migrationBuilder.AddColumn<string>(
                name: "untrusted_key",
                table: "runtimes",
                type: "text",
                nullable: true,
                collation: "C");

            migrationBuilder.CreateTable(
                name: "credential_holdings",
                columns: table => new
                {
                    runtime_id = table.Column<string>(type: "character varying(63)", maxLength: 63, nullable: false, collation: "C"),
                    version_id = table.Column<string>(type: "character varying(64)", maxLength: 64, nullable: false, collation: "C"),
                    generation = table.Column<long>(type: "bigint", nullable: false),
                    since = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_credential_holdings", x => new { x.runtime_id, x.version_id });
                });

            migrationBuilder.CreateTable(
                name: "credential_waivers",
                columns: table => new
                {
                    waiver_id = table.Column<Guid>(type: "uuid", nullable: false),
                    tenant = table.Column<string>(type: "character varying(63)", maxLength: 63, nullable: false, collation: "C"),
                    credential = table.Column<string>(type: "character varying(63)", maxLength: 63, nullable: false, collation: "C"),
                    version = table.Column<int>(type: "integer", nullable: false),
                    runtime_id = table.Column<string>(type: "character varying(63)", maxLength: 63, nullable: false, collation: "C"),
                    waived_by = table.Column<string>(type: "character varying(256)", maxLength: 256, nullable: false, collation: "C"),
                    reason = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    waived_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_credential_waivers", x => x.waiver_id);
                });

            migrationBuilder.CreateTable(
                name: "credentials",
                columns: table => new
                {
                    tenant = table.Column<string>(type: "character varying(63)", maxLength: 63, nullable: false, collation: "C"),
                    name = table.Column<string>(type: "character varying(63)", maxLength: 63, nullable: false, collation: "C"),
                    created_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false),
                    newest_version = table.Column<int>(type: "integer", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_credentials", x => new { x.tenant, x.name });
                });

            migrationBuilder.CreateTable(
                name: "data_protection_keys",
                columns: table => new
                {
                    id = table.Column<int>(type: "integer", nullable: false)
                        .Annotation("Npgsql:ValueGenerationStrategy", NpgsqlValueGenerationStrategy.IdentityByDefaultColumn),
                    friendly_name = table.Column<string>(type: "text", nullable: true, collation: "C"),
                    xml = table.Column<string>(type: "text", nullable: true, collation: "C")
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_data_protection_keys", x => x.id);
                });

            migrationBuilder.CreateTable(
                name: "sealing_keys",
                columns: table => new
                {
                    id = table.Column<int>(type: "integer", nullable: false),
                    key = table.Column<string>(type: "text", nullable: false, collation: "C"),
                    created_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_sealing_keys", x => x.id);
                });

            migrationBuilder.CreateTable(
                name: "credential_versions",
                columns: table => new
                {
                    tenant = table.Column<string>(type: "character varying(63)", maxLength: 63, nullable: false, collation: "C"),
                    credential = table.Column<string>(type: "character varying(63)", maxLength: 63, nullable: false, collation: "C"),
                    version = table.Column<int>(type: "integer", nullable: false),
                    version_id = table.Column<string>(type: "character varying(64)", maxLength: 64, nullable: false, collation: "C"),
                    stage = table.Column<string>(type: "character varying(20)", maxLength: 20, nullable: false),
                    stage_since = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false),
                    entries = table.Column<string>(type: "text", nullable: true, collation: "C"),
                    keys = table.Column<string>(type: "text", nullable: false),
                    size = table.Column<int>(type: "integer", nullable: false),
                    overlap = table.Column<long>(type: "bigint", nullable: false),
                    expires_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: true),
                    created_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false),
                    created_by = table.Column<string>(type: "character varying(256)", maxLength: 256, nullable: false, collation: "C"),
                    revocable_after = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: true),
                    revocable_at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: true)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_credential_versions", x => new { x.tenant, x.credential, x.version });
                    table.ForeignKey(
                        name: "fk_credential_versions_credentials_tenant_credential",
                        columns: x => new { x.tenant, x.credential },
                        principalTable: "credentials",
                        principalColumns: new[] { "tenant", "name" },
                        onDelete: ReferentialAction.Cascade);
                });

            migrationBuilder.CreateIndex(
                name: "ix_credential_holdings_version_id",
                table: "credential_holdings",
                column: "version_id");

            migrationBuilder.CreateIndex(
                name: "ix_credential_versions_tenant_stage",
                table: "credential_versions",
                columns: new[] { "tenant", "stage" });

            migrationBuilder.CreateIndex(
                name: "ix_credential_versions_version_id",
                table: "credential_versions",
                column: "version_id",
                unique: true);

            migrationBuilder.CreateIndex(
                name: "ix_credential_waivers_tenant_credential_version",
                table: "credential_waivers",
                columns: new[] { "tenant", "credential", "version" });
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropTable(
                name: "credential_holdings");

            migrationBuilder.DropTable(
                name: "credential_versions");

            migrationBuilder.DropTable(
                name: "credential_waivers");

            migrationBuilder.DropTable(
                name: "data_protection_keys");

            migrationBuilder.DropTable(
                name: "sealing_keys");

            migrationBuilder.DropTable(
                name: "credentials");

            migrationBuilder.DropColumn(
                name: "key_refused",
                table: "runtimes");

            migrationBuilder.DropColumn(
                name: "untrusted_key",
                table: "runtimes");

            foreach (var table in new[] { "assignments", "report_items", "drift_findings", "rollouts" })
                migrationBuilder.Sql($"DELETE FROM {table} WHERE item LIKE 'credential/%'");

            migrationBuilder.RenameColumn(name: "item", table: "rollouts", newName: "configuration");
            migrationBuilder.AlterColumn<string>(
                name: "configuration", table: "rollouts", type: "character varying(63)", maxLength: 63, nullable: false, collation: "C",
                oldClrType: typeof(string), oldType: "character varying(74)", oldMaxLength: 74, oldCollation: "C");
            migrationBuilder.RenameColumn(name: "item", table: "report_items", newName: "configuration");
            migrationBuilder.AlterColumn<string>(
                name: "configuration", table: "report_items", type: "character varying(63)", maxLength: 63, nullable: false, collation: "C",
                oldClrType: typeof(string), oldType: "character varying(74)", oldMaxLength: 74, oldCollation: "C");
            migrationBuilder.RenameColumn(name: "item", table: "drift_findings", newName: "configuration");
            migrationBuilder.AlterColumn<string>(
                name: "configuration", table: "drift_findings", type: "character varying(63)", maxLength: 63, nullable: false, collation: "C",
                oldClrType: typeof(string), oldType: "character varying(74)", oldMaxLength: 74, oldCollation: "C");
            migrationBuilder.RenameColumn(name: "item", table: "assignments", newName: "configuration");
            migrationBuilder.AlterColumn<string>(
                name: "configuration", table: "assignments", type: "character varying(63)", maxLength: 63, nullable: false, collation: "C",
                oldClrType: typeof(string), oldType: "character varying(74)", oldMaxLength: 74, oldCollation: "C");
            migrationBuilder.RenameIndex(
                name: "ix_rollouts_tenant_item_revision", table: "rollouts", newName: "ix_rollouts_tenant_configuration_revision");
            migrationBuilder.RenameIndex(name: "ix_assignments_item", table: "assignments", newName: "ix_assignments_configuration");
        }
    }
}
