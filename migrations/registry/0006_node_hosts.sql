CREATE TABLE `weight_files` (
	`sha256` text PRIMARY KEY NOT NULL,
	`model_id` text NOT NULL
);
--> statement-breakpoint
CREATE INDEX `nodes_endpoint` ON `nodes` (`endpoint`);