CREATE TABLE `account_checks` (
	`account_id` text PRIMARY KEY NOT NULL,
	`at` integer NOT NULL,
	`seq` integer NOT NULL,
	`book_seq` integer NOT NULL,
	`lag_since` integer,
	`under_way_nanos` integer NOT NULL,
	`under_way_since` integer,
	`checked_seq` integer NOT NULL,
	`audited_seq` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `account_checks_lag` ON `account_checks` (`lag_since`);--> statement-breakpoint
CREATE INDEX `account_checks_under_way` ON `account_checks` (`under_way_since`);--> statement-breakpoint
CREATE INDEX `deliveries_created` ON `deliveries` (`created_at`);--> statement-breakpoint
INSERT INTO `price_versions` (`node_id`, `model_id`, `version`, `input_price_nanos`, `output_price_nanos`, `cached_input_price_nanos`, `bytes_price_nanos`, `call_price_nanos`, `from_at`)
	SELECT `node_id`, `model_id`, `price_version`, `input_price_nanos`, `output_price_nanos`, `cached_input_price_nanos`, `bytes_price_nanos`, `call_price_nanos`, `updated_at` FROM `offers` WHERE true
	ON CONFLICT DO NOTHING;
