#include "s3/xml.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#define NS "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\""

static int read_list(const char *text, struct s3_page *page)
{
	return xml_read_list(text, strlen(text), page);
}

Test(xml, listing)
{
	struct s3_page page;

	cr_assert_eq(read_list("<?xml version=\"1.0\"?>\n<ListBucketResult " NS "><Name>b</Name><Prefix>p</Prefix>"
			       "<IsTruncated>true</IsTruncated><NextContinuationToken>t+/=</NextContinuationToken>"
			       "<Contents><Key>a&amp;b</Key><LastModified>2009-10-12T17:50:30.123Z</LastModified>"
			       "<ETag>&quot;e1&quot;</ETag><Size>434234</Size><Owner><ID>x</ID></Owner></Contents>"
			       "<CommonPrefixes><Prefix>photos/</Prefix></CommonPrefixes></ListBucketResult>",
			       &page),
		     0);
	cr_assert_eq(page.count, 2);
	cr_assert_str_eq(page.entries[0].key, "a&b");
	cr_assert_str_eq(page.entries[0].etag, "\"e1\"");
	cr_assert_eq(page.entries[0].size, 434234);
	cr_assert_eq(page.entries[0].mtime_ns, 1255369830000000000);
	cr_assert_not(page.entries[0].is_prefix);
	cr_assert_str_eq(page.entries[1].key, "photos/");
	cr_assert_str_eq(page.entries[1].etag, "");
	cr_assert(page.entries[1].is_prefix);
	cr_assert(page.truncated);
	cr_assert_str_eq(page.next_token, "t+/=");
	s3_page_deinit(&page);
}

Test(xml, url_encoded_names_also_where_the_encoding_is_told_last)
{
	struct s3_page page;

	cr_assert_eq(read_list("<ListBucketResult><Contents><Key>a%0Ab+c%2B</Key><Size>1</Size></Contents>"
			       "<EncodingType>url</EncodingType></ListBucketResult>",
			       &page),
		     0);
	cr_assert_str_eq(page.entries[0].key, "a\nb c+");
	s3_page_deinit(&page);
}

Test(xml, empty_listing)
{
	struct s3_page page;

	cr_assert_eq(read_list("<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>", &page), 0);
	cr_assert_eq(page.count, 0);
	cr_assert_null(page.next_token);
	s3_page_deinit(&page);
}

Test(xml, thousand_names)
{
	struct buf text = BUF_INIT;
	struct s3_page page;

	buf_puts(&text, "<ListBucketResult>");
	for (int i = 0; i < 1000; i++)
		buf_printf(&text, "<Contents><Key>k%04d</Key><Size>%d</Size></Contents>", i, i);
	buf_puts(&text, "</ListBucketResult>");
	cr_assert_eq(read_list(buf_str(&text), &page), 0);
	cr_assert_eq(page.count, 1000);
	cr_assert_str_eq(page.entries[999].key, "k0999");
	cr_assert_eq(page.entries[999].size, 999);
	s3_page_deinit(&page);
	buf_deinit(&text);
}

Test(xml, buckets)
{
	struct s3_page page;

	cr_assert_eq(read_list("<ListAllMyBucketsResult><Owner><ID>o</ID></Owner><Buckets><Bucket><Name>one</Name>"
			       "<CreationDate>2009-10-12T17:50:30Z</CreationDate></Bucket></Buckets>"
			       "</ListAllMyBucketsResult>",
			       &page),
		     0);
	cr_assert_eq(page.count, 1);
	cr_assert_str_eq(page.entries[0].key, "one");
	s3_page_deinit(&page);
}

Test(xml, uploads_and_their_markers)
{
	struct s3_page page;

	cr_assert_eq(
	    read_list("<ListMultipartUploadsResult><Bucket>b</Bucket><EncodingType>url</EncodingType>"
		      "<NextKeyMarker>a%20b</NextKeyMarker><NextUploadIdMarker>id1</NextUploadIdMarker>"
		      "<IsTruncated>true</IsTruncated><Upload><Key>a%20b</Key><UploadId>id1</UploadId></Upload>"
		      "</ListMultipartUploadsResult>",
		      &page),
	    0);
	cr_assert_eq(page.count, 1);
	cr_assert_str_eq(page.entries[0].key, "a b");
	cr_assert_str_eq(page.entries[0].etag, "id1");
	cr_assert_str_eq(page.next_token, "a b\nid1");
	s3_page_deinit(&page);
}

Test(xml, refuses_what_is_no_listing)
{
	static const char *const bad[] = {
		"",
		"<html><body>login</body></html>",
		"<ListBucketResult><Contents><Key>a</Key>",
		"<ListBucketResult><Contents><Size>1</Size></Contents></ListBucketResult>",
		"<ListBucketResult><Contents><Key>a</Key><Size>-1</Size></Contents></ListBucketResult>",
		"<ListBucketResult><Contents><Key>a</Key><Size>99999999999999999999</Size></Contents></"
		"ListBucketResult>",
		"<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
		"<ListBucketResult><EncodingType>url</EncodingType><Contents><Key>%zz</Key></Contents></"
		"ListBucketResult>",
		"<!DOCTYPE x [<!ENTITY a \"aa\">]><ListBucketResult>&a;</ListBucketResult>",
		"<a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a></a></a></a></a></a></a></a></a></a></a></a></a></"
		"a>"
		"</a></a></a></a>",
	};
	struct s3_page page = { .count = 77 };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_assert_eq(read_list(bad[i], &page), -EBADMSG, "%s", bad[i]);
	cr_assert_eq(page.count, 77);
}

Test(xml, error)
{
	static const char text[] = "<Error><Code>InvalidRange</Code><Message>no</Message><ActualObjectSize>7"
				   "</ActualObjectSize><RequestId>R1</RequestId></Error>";
	struct xml_error error;

	cr_assert_eq(xml_read_error(text, strlen(text), &error), 1);
	cr_assert_str_eq(error.code, "InvalidRange");
	cr_assert_str_eq(error.request_id, "R1");
	cr_assert(error.has_actual_size);
	cr_assert_eq(error.actual_size, 7);
	cr_assert_eq(xml_read_error("<CopyObjectResult/>", 19, &error), 0);
	cr_assert_eq(xml_read_error("not xml", 7, &error), 0);
}

Test(xml, result)
{
	static const char text[] = "<CompleteMultipartUploadResult><ETag>&quot;x-2&quot;</ETag>"
				   "<ChecksumCRC64NVME>AAAAAAAAAAA=</ChecksumCRC64NVME>"
				   "<ChecksumType>FULL_OBJECT</ChecksumType></CompleteMultipartUploadResult>";
	struct xml_result result;

	cr_assert_eq(xml_read_result(text, strlen(text), &result), 0);
	cr_assert_str_eq(result.root, "CompleteMultipartUploadResult");
	cr_assert_str_eq(result.etag, "\"x-2\"");
	cr_assert_str_eq(result.checksum, "CRC64NVME:AAAAAAAAAAA=");
}

Test(xml, refused_deletes)
{
	static const char text[] =
	    "<DeleteResult><Error><Key>a</Key><Code>AccessDenied</Code></Error><Deleted><Key>z</Key></Deleted>"
	    "<Error><Key>b</Key><Code>InternalError</Code></Error></DeleteResult>";
	struct xml_result result;

	cr_assert_eq(xml_read_result(text, strlen(text), &result), 0);
	cr_assert_eq(result.failed, 2);
	cr_assert_str_eq(result.failed_key, "a");
	cr_assert_str_eq(result.failed_code, "AccessDenied");
}

Test(xml, escapes)
{
	struct buf buf = BUF_INIT;

	cr_assert_eq(xml_escape(&buf, "a<b>&\"\r\n\xc3\xbc"), 0);
	cr_assert_str_eq(buf_str(&buf), "a&lt;b&gt;&amp;&quot;&#13;&#10;\xc3\xbc");
	cr_assert_eq(xml_escape(&buf, "\x01"), -EILSEQ);
	buf_deinit(&buf);
}
