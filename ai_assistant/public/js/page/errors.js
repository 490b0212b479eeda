/** What the page says of an error. */
import { ApiError } from "../realtime_manager.js";
import { __ } from "./translate.js";

/** @typedef {{ sentence: string, retryable?: boolean, login?: boolean }} Failure `login`: the user must log in again */

/**
 * Describes an error for the user.
 *
 * @param {unknown} error
 * @param {boolean} [inConversation] whether the conversation has earlier messages
 * @returns {Failure}
 */
export function describeError(error, inConversation = false) {
	if (!(error instanceof ApiError)) {
		return {
			sentence: __("The site cannot be reached. Try again when the connection is back."),
			retryable: true,
		};
	}
	if (error.code === "not_found") {
		return { sentence: __("The site does not have this question. It never arrived, or it was deleted.") };
	}
	const sentences = [error.message];
	// The sentence of a used up budget says when the budget ends; it is not retryable.
	if (error.retryable && error.retryAfter) sentences.push(__("Wait {0} seconds.", [error.retryAfter]));
	// The refusal names the field `messages`: there are too many, or they are too long.
	const tooLong =
		error.code === "context_too_long" || (error.code === "invalid_request" && /^messages\b/.test(error.message));
	if (tooLong && inConversation) sentences.push(__("New chat starts an empty conversation."));
	const login = !error.code && [401, 403].includes(error.status);
	return { sentence: sentences.join(" "), retryable: error.retryable, login };
}
